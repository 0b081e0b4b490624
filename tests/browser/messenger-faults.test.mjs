// The messenger's page without a browser: what a hostile member sends, and what two tabs do at once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { importSecret, randomBytes, randomId, sealingKey, sealJson } from "../../examples/lib/crypto.js";
import { newDevice, publicPart, readDeviceLog, rootEntry } from "../../examples/messenger/public/devices.js";
import { makeEntry, START } from "../../examples/messenger/public/chain.js";
import { openOutbox } from "../../examples/messenger/public/outbox.js";
import { People } from "../../examples/messenger/public/people.js";
import { Room } from "../../examples/messenger/public/room.js";
import { Rooms } from "../../examples/messenger/public/rooms.js";
import { openSession, RequestError } from "../../examples/messenger/public/session.js";
import { fed, person, withSecondDevice } from "./messenger-people.mjs";

// Node 20 has none. Locks of one page are those of this process.
const locks = new Map();
const request = (name, work) => {
  const done = (locks.get(name) ?? Promise.resolve()).then(work);
  locks.set(name, done.catch(() => {}));
  return done;
};
Object.defineProperty(globalThis, "navigator", { configurable: true, value: { locks: { request } } });

function memory() {
  const kept = new Map();
  return {
    get: async (id) => kept.get(id), put: async (id, value) => kept.set(id, value), delete: async (id) => kept.delete(id),
    entries: async (prefix) => [...kept].filter(([id]) => id.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

describe("a hostile member", () => {
  test("seals what is no message: it is shown, and the next one still opens", async () => {
    const { bob, feed, message, made, arrived, keys } = await fed();
    for (const [i, value] of [null, 7, "text", [], {}, { kind: {}, sent: {}, body: null, signature: 5 }].entries()) {
      const id = randomId();
      const head = [made.room, 1, bob.device.id, i + 1, id];
      const sealed = await sealJson(keys.message, value, head, { pad: "message" });
      const item = await feed(["message", { epoch: 1, device: bob.device.id, number: i + 1, sealed }, id]);
      assert.equal(item.type, "broken", JSON.stringify(value));
    }
    await feed(await message(bob.device, 1, "still here"));
    assert.deepEqual(arrived, ["still here"]);
  });

  test("rows of any form stop no room", async () => {
    const { bob, feed, message, arrived } = await fed();
    const bodies = [null, {}, [], 5, "x", { by: 5, body: "null" }, { epoch: {}, device: {}, number: "1", sealed: 5 }];
    for (const type of ["message", "entry", "epoch", "deletion"]) for (const body of bodies) await feed([type, body, randomId()]);
    await feed(await message(bob.device, 1, "still here"));
    assert.deepEqual(arrived, ["still here"]);
  });

  test("signs a name that is no text: it is not taken", async () => {
    const device = await newDevice("ann", "Laptop");
    for (const name of [["Ann"], { name: "Ann" }, 5, "", "x".repeat(41)]) {
      const chain = await readDeviceLog("ann", [await rootEntry(device, name)]);
      assert.equal(chain.name, "ann");
      const body = { op: "root", name: "Ann", device: { ...(await publicPart(device)), name } };
      const entry = await makeEntry({ purpose: "messenger device", log: "ann", head: START, body, by: device.id, signKey: device.sign.privateKey });
      await assert.rejects(readDeviceLog("ann", [entry]), { name: "Broken" });
    }
  });

  test("breaks one room: the others are fetched all the same", async () => {
    const joined = [];
    const rooms = new Rooms({
      store: memory(), people: { devicesFor: async () => ({ devices: [] }) }, onChange: () => {}, onRoom: ({ id }) => joined.push(id), onLeft: () => {}, onMessage: () => {},
      request: async (_, path) => {
        if (path === "/rooms") return { rooms: ["bad", "good"].map((id) => ({ id, last: 1, until: null })) };
        if (path.startsWith("/rooms/bad")) throw new RequestError(500);
        return { rows: [], more: false, last: 1, marks: [], isMember: true };
      },
    });
    await assert.rejects(rooms.sync(), { status: 500 });
    assert.deepEqual(joined, ["bad", "good"]);
    assert.equal(rooms.get("good").last, 1);
  });
});

describe("two tabs of one device", () => {
  /** A backend of one room, as far as numbers go; each tab sees its rows only when it pulls. */
  async function tabs(count) {
    const log = [];
    const post = async (_, path, { messages }) => {
      const rows = messages.map((message) => {
        const known = log.find(({ id }) => id === message.id);
        if (known) return known;
        const last = Math.max(0, ...log.map(({ number }) => number));
        if (message.number <= last) throw new RequestError(409, { code: "number", last });
        const row = { row: log.length + 1, id: message.id, number: message.number };
        log.push(row);
        return row;
      });
      if (post.isLost) {
        post.isLost = false;
        throw new RequestError(0);
      }
      return { rows };
    };
    const { device } = await person("ann");
    const store = memory();
    const key = await sealingKey(await importSecret(randomBytes(32)), "messenger local");
    const message = await sealingKey(await importSecret(randomBytes(32)), "messenger message");
    const made = [];
    for (let i = 0; i < count; i++) {
      const seen = { id: "r", current: { n: 1, keys: { message } }, last: 0, ids: new Set() };
      Object.assign(seen, { nextNumber: () => seen.last + 1, has: (id) => seen.ids.has(id) });
      const take = ({ id, number }) => {
        seen.ids.add(id);
        seen.last = Math.max(seen.last, number);
      };
      const rooms = { get: () => seen, ensureEpoch: async () => {}, pull: async () => log.forEach(take), live: async (_, row) => take(row) };
      made.push(await openOutbox({ store, key, me: { id: device.id, user: "ann", sign: device.sign }, rooms, request: post, isLive: () => true, onChange: () => {} }));
    }
    return { log, post, tabs: made };
  }

  const sentAll = async (...outboxes) => {
    for (let i = 0; i < 200 && outboxes.some(({ items }) => items.length > 0); i++) {
      await Promise.all(outboxes.map((outbox) => outbox.flush()));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    outboxes.forEach((outbox) => outbox.stop());
  };

  test("give no number twice", async () => {
    const { log, tabs: [one, two] } = await tabs(2);
    await one.enqueue("r", "text", { text: "from the first" });
    await sentAll(one);
    await two.enqueue("r", "text", { text: "from the second" });
    await sentAll(one, two);
    assert.deepEqual([one.items.map(({ problem }) => problem), two.items.map(({ problem }) => problem)], [[], []]);
    assert.deepEqual(log.map(({ number }) => number), [1, 2]);
  });

  test("a lost answer: the message is in the room once, and leaves no gap", async () => {
    const { log, post, tabs: [one] } = await tabs(1);
    post.isLost = true;
    await one.enqueue("r", "text", { text: "one" });
    await one.flush();
    await one.enqueue("r", "text", { text: "two" });
    await sentAll(one);
    assert.deepEqual(log.map(({ number }) => number), [1, 2]);
  });

  test("a tab that is behind takes nothing back that the other has kept", async () => {
    const { bob, room, feed, message, context } = await fed();
    await feed(await message(bob.device, 1, "one"));
    const behind = new Room(room.id, context);
    await behind.load();
    const two = await message(bob.device, 2, "two");
    await feed(two);
    await behind.setRead(3);
    const reloaded = new Room(room.id, context);
    await reloaded.load();
    assert.equal(reloaded.last, 4);
    await reloaded.apply([{ row: 4, type: two[0], at: 1, body: two[1], id: two[2] }], { last: 4 });
    assert.equal(reloaded.timeline.items.some(({ type }) => type === "broken"), false);
  });

  test("another account's login is not taken over", async (t) => {
    const store = memory();
    const answer = { user: "ann", token: "a", seconds: 900, now: Date.now() };
    t.mock.method(globalThis, "fetch", async () => new Response(JSON.stringify(answer), { status: 200 }));
    const ended = [];
    const session = openSession({ store, onEnd: (sentence) => ended.push(sentence) });
    await session.logIn("ann", "x");
    await store.put("access", { user: "bob", token: "b", seconds: 900, until: Date.now() + 800_000, offset: 0 });
    await assert.rejects(session.current({ isStale: true }), { status: 401 });
    assert.match(ended.join(), /another account, bob/);
    assert.equal((await store.get("access")).token, "b", "the other tab stays logged in");
  });
});

describe("people", () => {
  test("a device that was added a moment ago is found while an older answer is on its way", async () => {
    const ann = await person("ann");
    const two = await withSecondDevice(ann);
    const answers = [];
    const people = new People({
      store: memory(), onChange: () => {},
      request: () => new Promise((resolve) => answers.push((log) => resolve({ logs: [log], isKnown: true }))),
    });
    const first = people.refresh("ann");
    answers.shift()(ann.log);
    await first;
    const slow = people.refresh("ann");
    const found = people.deviceOf(two.second.id, ann.chain.root);
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const answer of answers.splice(0)) answer(two.log);
    await slow;
    assert.equal((await found)?.id, two.second.id);
  });

  test("what comes under keys that nobody accepted is told apart, until they are accepted", async () => {
    const [old, other] = [await person("ann"), await person("ann")];
    let shown = [old.log];
    const people = new People({ store: memory(), onChange: () => {}, request: async () => ({ logs: shown, isKnown: true }) });
    await people.refresh("ann");
    shown = [other.log, old.log];
    await people.refresh("ann");
    assert.equal((await people.deviceOf(other.device.id, other.chain.root))?.id, other.device.id, "it can be read");
    assert.equal(people.isOffered("ann", other.chain.root), true);
    assert.equal(people.isOffered("ann", old.chain.root), false);
    await people.accept("ann", other.chain.root);
    assert.equal(people.isOffered("ann", other.chain.root), false);
  });

  test("a message keeps the first device to which its sender's chains", async () => {
    const { bob, feed, message } = await fed();
    const item = await feed(await message(bob.device, 1, "hello"));
    assert.equal(item.root, bob.chain.root);
  });
});
