// What is not sent yet: kept under a key of this browser, and sealed for the room only when it is
// sent, under the key of that moment. A message written before a removal is not readable for who
// was removed.

import { importSecret, openJson, randomBytes, randomId, sealingKey, sealJson } from "../../lib/crypto.js";
import { Broken } from "./chain.js";
import { sealMessage, signDeletion } from "./messages.js";
import { withLock } from "./session.js";

const RETRY_MS = [1000, 30_000];

export async function localKey(store) {
  return withLock("messenger-local", async () => {
    const known = await store.get("local");
    if (known) return known;
    const made = await sealingKey(await importSecret(randomBytes(32)), "messenger local");
    await store.put("local", made);
    return made;
  });
}

/** `isLive()` says whether this page is connected. `onChange` is called whenever `items` changes. */
export async function openOutbox({ store, key, me, rooms, request, isLive, onChange }) {
  /** `{ name, id, room, kind, body, sent, sealed, problem }` in the order of writing. */
  let items = [];
  let timer;
  let failures = 0;
  let count = 0;
  let running = null;
  let isAgain = false;
  let order = Promise.resolve();

  /** Writing and reading again do not overtake each other, so that nothing changes its place. */
  function inOrder(work) {
    const done = order.then(work);
    order = done.catch(() => {});
    return done;
  }

  const context = ({ room, id }) => ["outbox", room, id];

  const load = () => inOrder(async () => {
    const kept = await store.entries("out/");
    const read = kept.map(async ([name, entry]) => {
      const known = items.find((item) => item.name === name);
      if (known) return { ...known, attempt: entry.attempt };
      const value = await openJson(key, entry.sealed, context(entry)).catch(() => null);
      return value && { name, ...entry, ...value };
    });
    items = (await Promise.all(read)).filter(Boolean);
    onChange();
  });

  const enqueue = (room, kind, body) => inOrder(async () => {
    const entry = { id: randomId(), room };
    const value = { kind, body, sent: Date.now() };
    const name = `out/${String(value.sent).padStart(15, "0")}-${String(++count).padStart(6, "0")}-${entry.id}`;
    entry.sealed = await sealJson(key, value, context(entry), { pad: "message" });
    await store.put(name, entry);
    items.push({ name, ...entry, ...value });
    onChange();
    flush();
    return entry.id;
  });

  /** Sends everything, oldest first; one tab at a time. */
  function flush() {
    if (!isLive()) return Promise.resolve();
    if (running) isAgain = true;
    running ??= withLock(`messenger-outbox:${me.user}`, sendAll)
      .catch((error) => console.warn(error.message))
      .finally(() => {
        const again = isAgain;
        running = null;
        isAgain = false;
        if (again) flush();
      });
    return running;
  }

  async function sendAll() {
    await load();
    const stuck = new Set();
    for (let item; isLive() && (item = items.find(({ room, problem, name }) => !problem && !stuck.has(room) && name)); ) {
      try {
        await sendOne(item);
        await store.delete(item.name);
        items = items.filter(({ name }) => name !== item.name);
        failures = 0;
      } catch (error) {
        if (error instanceof Broken) stuck.add(item.room);
        else if (error.isPassing || error.status === 401) return later(error.retryAfter);
        else item.problem = error.message ?? "This could not be sent.";
      }
      onChange();
    }
  }

  function later(seconds) {
    const [least, most] = RETRY_MS;
    const wait = seconds ? seconds * 1000 : Math.min(most, least * 2 ** failures++ * (0.5 + Math.random()));
    clearTimeout(timer);
    timer = setTimeout(flush, wait);
  }

  async function sendOne(item) {
    const room = rooms.get(item.room);
    if (!room) throw Object.assign(new Error("This room is gone."), { status: 404 });
    if (item.kind === "delete") {
      const { id } = item.body;
      await request("POST", `/rooms/${room.id}/deletions`, { id, device: me.id, signature: await signDeletion(me, room.id, id) });
      return rooms.pull(room);
    }
    for (;;) {
      await rooms.ensureEpoch(room);
      const { n: epoch, keys } = room.current ?? {};
      if (!keys) throw new Broken("key", "This device has no key of this room yet.");
      const { number, kept } = numberFor(item, room, epoch);
      const head = { room: room.id, epoch, device: me.id, number, id: item.id };
      const [sealed] = await Promise.all([sealMessage(keys.message, me.sign.privateKey, head, item), kept]);
      try {
        const { row } = await request("POST", `/rooms/${room.id}/messages`, { id: item.id, epoch, device: me.id, number, sealed });
        return await rooms.live(room, row);
      } catch (error) {
        if (error.status !== 409) throw error;
        await rooms.pull(room);
      }
    }
  }

  /** The same number for another try under the same key: the answer may have been lost. */
  function numberFor(item, room, epoch) {
    if (item.attempt?.epoch === epoch) return { number: item.attempt.number };
    item.attempt = { epoch, number: room.nextNumber() };
    const { id, sealed, attempt } = item;
    return { number: attempt.number, kept: store.put(item.name, { id, room: item.room, sealed, attempt }) };
  }

  await load();
  return {
    enqueue,
    flush,
    /** After a failure that does not pass by itself. */
    async drop(id) {
      const item = items.find((one) => one.id === id);
      if (item) await store.delete(item.name);
      items = items.filter((one) => one !== item);
      onChange();
    },
    retry() {
      for (const item of items) item.problem = undefined;
      return flush();
    },
    reload: load,
    get items() {
      return items;
    },
    stop: () => clearTimeout(timer),
  };
}
