// Switches a layer: the list is written into its new place first, then the backend switches, and the
// old place is emptied. A page that dies in between has changed nothing.

import { openClient } from "../../lib/publish.js";
import { ask } from "./backend.js";
import { makeCodec } from "./codec.js";

/** `lock` is a new one if the passphrase goes on. */
export const switchLayer = (room, ...rest) => room.switching(() => switchNow(room, ...rest));

async function switchNow(room, config, device, layer, isOn, lock) {
  const { id, layers: before } = room.model.list;
  const layers = { ...before, [layer]: isOn };
  await room.flush();
  const target = await ask("POST", `/lists/${id}/switch`, { layers, ...device });
  await room.load();
  const { latest } = room.codec;
  // The answer to a write comes before its event, so either may know the newer number.
  const next = latest && { ...latest, version: Math.max(latest.version, room.snapshot.version) + 1 };
  if (next && !target.isSame) {
    const codec = makeCodec({ isLocked: layers.passphrase, lock: layers.passphrase ? lock ?? room.lock : null, onSpoiled: () => {} });
    const client = openClient({ url: `${config.url}/app/${target.app.key}`, token: async () => target.token, tries: 3 });
    const written = await client.publish(target.channel, "client-list", await codec.seal(next), { ifNoneMatch: true });
    if (!written.ok) throw new Error("Another device switches a layer right now. Try again in a moment.");
  }
  await ask("POST", `/lists/${id}/switch/commit`, { layers, revision: target.revision });
  if (lock) await room.setLock(lock);
  if (!layers.passphrase) await room.forgetLock();
  await room.move(next);
  await room.copy();
}
