// Planning poker without a browser: what an attack by reading has found, one test for each fault.

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { openFetchStream } from "../../examples/lib/fetch-stream.js";
import { newLinkKey, openLink } from "../../examples/planning-poker/public/link.js";
import { openOutbox } from "../../examples/planning-poker/public/outbox.js";
import { seatKeeper } from "../../examples/planning-poker/public/seat.js";
import { openSession } from "../../examples/planning-poker/public/session.js";
import { applyChange, checkTable, emptyTable, MAX_NAME, MAX_STORY } from "../../examples/planning-poker/public/table.js";
import { add, oneEvent, openOn } from "./apps/one-event.mjs";
import { eventually } from "./support.mjs";

const ANN = "a".repeat(32);
const realFetch = globalThis.fetch;
const memory = () => openSession(() => {
  throw new Error("none");
});

afterEach(() => {
  globalThis.fetch = realFetch;
  delete globalThis.document;
});

const itemsOf = (server) => JSON.parse(server.event.data).state.items;

describe("snapshots", () => {
  test("another one of the same version, after a loss, is taken, and the own change is made again", async () => {
    const server = oneEvent();
    const [ann, bob] = [openOn(server), openOn(server)];
    await ann.change("1", add("one"));
    await bob.load();
    await ann.change("2", add("ann"));
    server.replace(null);
    await bob.writeBack();
    await bob.change("3", add("bob"));
    assert.equal(ann.version, bob.version);
    await ann.receive(server.event.data, server.event.position);
    await ann.change("4", add("four"));
    assert.deepEqual(itemsOf(server), ["one", "bob", "ann", "four"]);
  });

  test("a write in the midst of a reading undoes nothing, whenever it begins", async () => {
    for (let ticks = 0; ticks < 40; ticks++) {
      for (const reading of ["load", "writeBack"]) {
        const server = oneEvent();
        const [ann, bob] = [openOn(server), openOn(server)];
        await ann.change("1", add("one"));
        await bob.load();
        await ann.change("2", add("two"));
        const read = bob[reading]();
        for (let i = 0; i < ticks; i++) await null;
        await Promise.all([read, bob.change("3", add("three"))]);
        assert.deepEqual(itemsOf(server), ["one", "two", "three"], `${reading}, ${ticks} ticks`);
      }
    }
  });

  test("a batch that holds changes which have arrived repeats none of them", async () => {
    const server = oneEvent();
    const ann = openOn(server);
    const all = { a: "one", b: "two", c: "three" };
    const append = (state, fresh) => ({ items: [...state.items, ...fresh.map((id) => all[id])] });
    await ann.change(["a", "b"], append);
    await ann.change(["a", "b", "c"], append);
    assert.deepEqual(itemsOf(server), ["one", "two", "three"]);
  });
});

describe("what waits", () => {
  test("a batch names each of its changes, and is no longer than the list of applied ones", async () => {
    const keys = await openLink(newLinkKey());
    let number = 0;
    const outbox = openOutbox({ session: memory(), keys, newId: () => `c${++number}`, onChange() {} });
    for (let i = 0; i < 130; i++) await outbox.add({ kind: "turn", round: 1 });
    assert.equal(outbox.next().ids.length, 100);
    assert.equal(outbox.next().ids[0], "c1");
    outbox.done();
    assert.deepEqual([outbox.count, outbox.next().ids.at(-1)], [30, "c130"]);
  });
});

describe("the seat", () => {
  test("a table without it gets back the seat and its card in one go", () => {
    const session = memory();
    const changes = [];
    const seat = seatKeeper({ session, player: ANN, change: (change) => changes.push(change) });
    seat.sit("Ann", 0);
    seat.vote(1, "05");
    changes.length = 0;
    seat.mend(emptyTable());
    const table = changes.reduce(applyChange, emptyTable());
    assert.deepEqual(table.seats, [{ id: ANN, name: "Ann", watches: 0, card: "05" }]);
    changes.length = 0;
    seat.mend(table);
    assert.deepEqual(changes, []);
  });

  test("lists in the place of texts are refused", () => {
    const good = [{ kind: "sit", player: ANN, name: "Ann", watches: 0 }, { kind: "vote", player: ANN, round: 1, card: "05" }].reduce(applyChange, emptyTable());
    const [seat] = good.seats;
    for (const bad of [{ ...seat, card: ["05"] }, { ...seat, id: [ANN] }]) assert.throws(() => checkTable({ ...good, seats: [bad] }), TypeError);
    assert.throws(() => checkTable({ ...good, stories: [{ id: ["12345678"], title: "x", card: "05" }] }), TypeError);
  });
});

describe("the fullest table", () => {
  test("fits into what the server takes, in every script", async () => {
    const { readFile } = await import("node:fs/promises");
    const source = await readFile(new URL("../../examples/planning-poker/server.mjs", import.meta.url), "utf8");
    const limit = Number(/client_event_bytes: ([\d_]+)/.exec(source)[1].replaceAll("_", ""));
    const keys = await openLink(newLinkKey());
    for (const letter of ["x", "語", "😀", "\u0001"]) {
      const table = checkTable({
        round: 9999, up: 1, closed: 0, story: letter.repeat(MAX_STORY),
        seats: Array.from({ length: 24 }, (_, i) => ({ id: String(i).padStart(32, "0"), name: letter.repeat(MAX_NAME), watches: 0, card: "05" })),
        stories: Array.from({ length: 40 }, () => ({ id: "0123456789abcdef", title: letter.repeat(MAX_STORY), card: "05" })),
      });
      const sealed = await keys.seal({ version: 99_999, applied: Array(100).fill("0123456789abcdef"), state: table });
      assert.ok(sealed.length <= limit, `${sealed.length} bytes of ${JSON.stringify(letter)}, the limit is ${limit}`);
    }
  });
});

describe("event streams", () => {
  test("a tab that begins in the background frees its connection, too", { timeout: 10_000 }, async () => {
    globalThis.document = Object.assign(new EventTarget(), { hidden: true });
    globalThis.fetch = async (url, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const states = [];
    const stream = openFetchStream({ url: "http://line", channels: ["c"], token: async () => "t", onEvent() {}, onState: (state) => states.push(state), hiddenMs: 20 });
    await eventually("paused", () => states.includes("paused"));
    stream.close();
  });
});

describe("two tabs", () => {
  test("a table that this tab has left is no second tab", { timeout: 10_000 }, async () => {
    const { watchOtherTabs } = await import("../../examples/planning-poker/public/tabs.js");
    const told = [];
    const watch = (tab, player) => watchOtherTabs({ player, tab, onOther: () => told.push(tab) });
    const first = watch("1", ANN);
    first.close();
    const [again, other, twin] = [watch("2", "b".repeat(32)), watch("3", "c".repeat(32)), watch("4", "c".repeat(32))];
    await eventually("both know", () => told.length === 2);
    assert.deepEqual(told.sort(), ["3", "4"]);
    for (const one of [again, other, twin]) one.close();
  });
});
