// What is not sent yet: kept under a key of this browser, and sealed for the room only when it is
// sent, under the key of that moment. A message written before a removal is not readable for who
// was removed.

import { importSecret, openJson, randomBytes, randomId, sealingKey, sealJson } from "../../lib/crypto.js";
import { Broken } from "./chain.js";
import { sealMessage, signDeletion } from "./messages.js";
import { withLock } from "./session.js";

const RETRY_MS = [1000, 30_000];
/** Sent in one request, and in letters of ciphertext. */
const BATCH = 20;
const BATCH_LETTERS = 40_000;
/** Of one batch, each under the newest key and number. */
const TRIES = 6;

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
      if (known) return known;
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
    let most = BATCH;
    for (let batch; isLive() && (batch = nextBatch(stuck, most)).length > 0; ) {
      try {
        await send(batch);
        const sent = new Set(batch.map(({ name }) => name));
        await Promise.all([...sent].map((name) => store.delete(name)));
        items = items.filter(({ name }) => !sent.has(name));
        failures = 0;
      } catch (error) {
        if (error instanceof Broken) stuck.add(batch[0].room);
        else if (error.isPassing || [401, 409].includes(error.status)) return later(error.retryAfter);
        // One of them is refused: the others must not wait for it.
        else if (batch.length > 1) most = 1;
        else batch[0].problem = error.message ?? "This could not be sent.";
      }
      onChange();
    }
  }

  /** The oldest messages of one room that may leave together. A deletion leaves alone. */
  function nextBatch(stuck, most) {
    const first = items.find(({ room, problem }) => !problem && !stuck.has(room));
    if (!first || first.kind === "delete") return first ? [first] : [];
    const batch = [];
    let size = 0;
    for (const item of items) {
      if (item.room !== first.room || item.problem) continue;
      size += item.sealed.length;
      if (item.kind === "delete" || batch.length === most || (batch.length > 0 && size > BATCH_LETTERS)) break;
      batch.push(item);
    }
    return batch;
  }

  function later(seconds) {
    const [least, most] = RETRY_MS;
    const wait = seconds ? seconds * 1000 : Math.min(most, least * 2 ** failures++ * (0.5 + Math.random()));
    clearTimeout(timer);
    timer = setTimeout(flush, wait);
  }

  async function send(batch) {
    const [first] = batch;
    const room = rooms.get(first.room);
    if (!room) throw Object.assign(new Error("This room is gone."), { status: 404 });
    if (first.kind === "delete") return sendDeletion(room, first.body.id);
    let least = 1;
    for (let attempt = 1; ; attempt++) {
      await rooms.ensureEpoch(room);
      const messages = await sealed(batch.filter(({ id }) => !room.has(id)), room, least);
      if (messages.length === 0) return;
      try {
        const { rows } = await request("POST", `/rooms/${room.id}/messages`, { messages });
        for (const row of rows) await rooms.live(room, row);
        return;
      } catch (error) {
        if (error.status !== 409 || attempt === TRIES) throw error;
        // Another tab of this device was faster, and its rows may not be here yet.
        if (error.code === "number") least = error.details.last + 1;
        await rooms.pull(room);
      }
    }
  }

  /** Under the key of this moment. A number that leads nowhere is given again, so that no gap is left. */
  async function sealed(items, room, least) {
    const { n: epoch, keys } = room.current ?? {};
    if (!keys) throw new Broken("key", "This device has no key of this room yet.");
    const first = Math.max(room.nextNumber(), least);
    return Promise.all(items.map(async (item, i) => {
      const head = { room: room.id, epoch, device: me.id, number: first + i, id: item.id };
      return { ...head, sealed: await sealMessage(keys.message, me.sign.privateKey, head, item) };
    }));
  }

  async function sendDeletion(room, id) {
    await request("POST", `/rooms/${room.id}/deletions`, { id, device: me.id, signature: await signDeletion(me, room.id, id) });
    await rooms.pull(room);
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
    reload: load,
    get items() {
      return items;
    },
    stop: () => clearTimeout(timer),
  };
}
