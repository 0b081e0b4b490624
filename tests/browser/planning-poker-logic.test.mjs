// Planning poker without a browser: cards, changes of the table, the link, and the parts of the library it relies on.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { describe, test } from "node:test";
import { encodeContext, fromBase64url, toHex, unpad, utf8 } from "../../examples/lib/crypto.js";
import { eventParser } from "../../examples/lib/sse.js";
import { CARDS, codeOf, isCard, sumOf, verdictOf } from "../../examples/planning-poker/public/deck.js";
import { newLinkKey, openLink, readFragment } from "../../examples/planning-poker/public/link.js";
import { openOutbox } from "../../examples/planning-poker/public/outbox.js";
import { openSession } from "../../examples/planning-poker/public/session.js";
import { applyChange, checkTable, emptyTable } from "../../examples/planning-poker/public/table.js";
import { add, oneEvent, openOn } from "./apps/one-event.mjs";

const ANN = "a".repeat(32);
const BOB = "b".repeat(32);

describe("cards", () => {
  const verdict = (...labels) => verdictOf(labels.map((label, i) => ({ id: `p${i}`, card: label ? codeOf(label) : "--" })));

  test("every card has a code of the same width", () => {
    for (const label of CARDS) assert.match(codeOf(label), /^\d\d$/);
    for (const code of ["--", "10", "99", "5", "005", "", null, " 1"]) assert.equal(isCard(code), false, code);
  });

  test("the verdict names the likeliest number and one player furthest away", () => {
    assert.deepEqual(verdict("5", "8", "5", "13", "5"), {
      kind: "most", card: codeOf("5"), furthest: "p3",
      bars: [{ card: codeOf("5"), count: 3 }, { card: codeOf("8"), count: 1 }, { card: codeOf("13"), count: 1 }],
    });
    assert.equal(verdict("5", "5", null).kind, "all");
    assert.equal(verdict("3", "8").kind, "split");
    assert.equal(verdict("3", "8").card, codeOf("8"));
    assert.equal(verdict("5", "5", "8").furthest, null, "one step is no distance");
    assert.equal(verdict("5", "5", "5", "13", "1", "13").furthest, "p4");
    assert.equal(verdict("?", "break").kind, "open");
    assert.equal(verdict("break", "break").kind, "break");
    assert.equal(verdict().kind, "open");
  });

  test("sums leave out what is no number", () => assert.equal(sumOf(["3", "½", "?", "8"].map(codeOf)), 11.5));
});

describe("the table", () => {
  const play = (...changes) => changes.reduce(applyChange, emptyTable());
  const sit = (player, watches = 0) => ({ kind: "sit", player, name: player[0], watches });
  const vote = (player, round, label) => ({ kind: "vote", player, round, card: codeOf(label) });

  test("a change that comes twice, late, or to a closed table alters nothing", () => {
    const take = { kind: "take", id: "12345678", round: 1, card: codeOf("5"), gone: [] };
    const changes = [sit(ANN), sit(BOB), vote(ANN, 1, "5"), { kind: "turn", round: 1 }, take];
    const once = play(...changes);
    assert.deepEqual(play(...changes, ...changes), once);
    assert.deepEqual(play(...changes, vote(BOB, 1, "8"), { kind: "turn", round: 1 }, { kind: "story", round: 1, title: "late" }), once);
    const closed = play(...changes, { kind: "close" });
    assert.deepEqual(closed, { ...emptyTable(), round: 3, closed: 1 });
    assert.deepEqual(applyChange(structuredClone(closed), sit(ANN)), closed);
    assert.deepEqual(play({ kind: "constructor" }, { kind: "nothing" }), emptyTable());
  });

  test("watchers lay no card, and nobody turns an empty table", () => {
    assert.equal(play(sit(ANN, 1), vote(ANN, 1, "5")).seats[0].card, "--");
    assert.equal(play(sit(ANN), vote(ANN, 1, "5"), sit(ANN, 1)).seats[0].card, "--");
    assert.equal(play(sit(ANN), { kind: "turn", round: 1 }).up, 0);
  });

  test("who has left gives the seat away at the next round", () => {
    const table = play(sit(ANN), sit(BOB), vote(ANN, 1, "5"), { kind: "turn", round: 1 }, { kind: "again", round: 1, gone: [BOB] });
    assert.deepEqual(table.seats.map(({ id }) => id), [ANN]);
  });

  test("a foreign form is refused", () => {
    const good = play(sit(ANN), vote(ANN, 1, "5"));
    assert.equal(checkTable(good), good);
    const seat = good.seats[0];
    const bad = [
      null, {}, { ...good, round: 0 }, { ...good, round: 1.5 }, { ...good, up: true }, { ...good, closed: "0" }, { ...good, story: "x".repeat(121) },
      { ...good, seats: [{ ...seat, name: "" }] }, { ...good, seats: [{ ...seat, name: "x".repeat(25) }] }, { ...good, seats: [{ ...seat, card: "77" }] },
      { ...good, seats: [seat, seat] }, { ...good, seats: [{ ...seat, id: "../x" }] }, { ...good, seats: Array(25).fill(seat) },
      { ...good, stories: [{ id: "12345678", title: 7, card: "05" }] },
    ];
    for (const table of bad) assert.throws(() => checkTable(table), TypeError, JSON.stringify(table));
  });
});

describe("the link", () => {
  test("only whole keys in their one spelling are keys", () => {
    const key = newLinkKey();
    assert.equal(readFragment(`#k=${key}`), key);
    for (const none of ["", "#"]) assert.equal(readFragment(none), null);
    const other = [...key].at(-1) === "A" ? "B" : "A";
    for (const broken of ["#k=", `#k=${key.slice(1)}`, `#k=${key}A`, "#main", `#k=${key.slice(0, -1)}!`, `#k=${key.slice(0, -1)}${"BCDFGHJ".includes(key.at(-1)) ? other : "B"}`]) {
      assert.equal(readFragment(broken), undefined, broken);
    }
  });

  test("room and ciphertext are those of Node's WebCrypto", async () => {
    const text = newLinkKey();
    const keys = await openLink(text);
    const { subtle } = webcrypto;
    const secret = await subtle.importKey("raw", fromBase64url(text), "HKDF", false, ["deriveBits"]);
    const derive = (purpose, bits) => subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encodeContext([purpose]) }, secret, bits);
    assert.equal(keys.room, toHex(new Uint8Array(await derive("room", 128))));
    const key = await subtle.importKey("raw", await derive("table", 256), "AES-GCM", false, ["decrypt"]);
    const [iv, ciphertext] = (await keys.seal({ version: 7 })).split(".").map(fromBase64url);
    const additionalData = encodeContext(["planning-poker", keys.room]);
    const plain = new Uint8Array(await subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, ciphertext));
    assert.deepEqual(unpad(plain), utf8('{"version":7}'));
    assert.equal(plain.length % 1024, 0);
  });

  test("another key is another room, and opens nothing", async () => {
    const [one, other] = [await openLink(newLinkKey()), await openLink(newLinkKey())];
    assert.notEqual(one.room, other.room);
    await assert.rejects(other.open(await one.seal({ version: 1 })), { name: "DoesNotOpen" });
    await assert.rejects(one.open(await one.sealWaiting({ id: "x" })), { name: "DoesNotOpen" }, "a key for each purpose");
  });

  test("a tab takes one key until it leaves", () => {
    const values = new Map();
    const storage = { getItem: (name) => values.get(name) ?? null, setItem: (name, value) => values.set(name, value), removeItem: (name) => values.delete(name) };
    const session = openSession(() => storage);
    assert.equal(session.takeKey("one"), true);
    assert.equal(session.takeKey("two"), false);
    assert.equal(openSession(() => storage).takeKey("two"), false, "also after a reload");
    session.clear();
    assert.equal(session.takeKey("two"), true);
    const forbidden = openSession(() => {
      throw new DOMException("no", "SecurityError");
    });
    assert.equal(forbidden.takeKey("one"), true);
    assert.equal(forbidden.takeKey("two"), false);
    assert.equal(forbidden.isKept, false);
  });
});

describe("what waits", () => {
  const session = () => openSession(() => {
    throw new Error("none");
  });

  test("a batch stays the same until it has arrived, and outlives a reload sealed", async () => {
    const keys = await openLink(newLinkKey());
    const kept = session();
    let number = 0;
    const open = () => openOutbox({ session: kept, keys, newId: () => `c${++number}`, onChange() {} });
    const outbox = open();
    await outbox.add({ kind: "story", round: 1, title: "the harbour gate" });
    const batch = outbox.next();
    await outbox.add({ kind: "turn", round: 1 });
    assert.equal(outbox.next(), batch);
    assert.equal(batch.changes.length, 1);
    assert.doesNotMatch(kept.get("outbox"), /harbour/);
    const after = open();
    await after.restore();
    assert.equal(after.count, 2);
    assert.equal(after.applyTo(emptyTable()).story, "the harbour gate");
    outbox.done();
    assert.equal(outbox.count, 1);
    assert.deepEqual(outbox.next().ids, ["c2"]);
  });
});

describe("the library", () => {
  test("event streams are read over any cuts", () => {
    const text = 'retry: 2277\n: comment\ndata: {"a":1}\nid: P1\n\ndata:{"b":2}\r\n\r\ndata: 1\r\ndata: 2\r\n\r\n\nid: lost\n\ndata\r\rdata: ½\n\n';
    for (let cut = 1; cut < 9; cut++) {
      const seen = [];
      const parse = eventParser({ onMessage: (data, id) => seen.push([data, id]), onRetry: (ms) => seen.push(ms) });
      for (let at = 0; at < text.length; at += cut) parse(text.slice(at, at + cut));
      assert.deepEqual(seen, [2277, ['{"a":1}', "P1"], ['{"b":2}', ""], ["1\n2", ""], ["", ""], ["½", ""]], `pieces of ${cut}`);
    }
    assert.throws(() => {
      const parse = eventParser({ onMessage() {} });
      for (let i = 0; i < 6; i++) parse("x".repeat(1024 * 1024));
    }, RangeError);
  });

  test("a lost, an older and a broken snapshot are written over by whoever has the newest", async () => {
    const server = oneEvent();
    const ann = openOn(server);
    await ann.change("1", add("one"));
    const old = server.event.data;
    await ann.change("2", add("two"));
    for (const instead of [null, old, "garbage"]) {
      server.replace(instead);
      assert.equal(await ann.writeBack(), true, String(instead));
      assert.deepEqual(JSON.parse(server.event.data).state.items, ["one", "two"]);
      server.replace(instead);
      await ann.change(`3 ${instead}`, add("three"));
      assert.equal(JSON.parse(server.event.data).state.items.at(-1), "three");
      server.replace(JSON.stringify({ version: ann.version + 1, applied: [], state: { items: ["one", "two"] } }));
      assert.equal(await ann.writeBack(), false, "a newer one is taken");
    }
    assert.deepEqual(ann.state.items, ["one", "two"]);
  });

  test("a page without a state writes over nothing that it cannot open", async () => {
    const server = oneEvent();
    server.replace("garbage");
    const newcomer = openOn(server);
    await assert.rejects(newcomer.load(), SyntaxError);
    await assert.rejects(newcomer.change("1", add("one")), SyntaxError);
    assert.equal(await newcomer.writeBack(), false);
    assert.equal(server.event.data, "garbage");
  });

  test("a renewal of the same version is no change, and makes the next condition right", async () => {
    const server = oneEvent();
    const [ann, bob] = [openOn(server), openOn(server)];
    await ann.change("1", add("one"));
    await bob.load();
    assert.equal(await ann.renew(), true);
    assert.equal(await bob.receive(server.event.data, ann.position), null);
    assert.equal(bob.position, ann.position);
    assert.equal(bob.version, 1);
    assert.equal(await bob.renew(), true);
    assert.equal(await ann.renew(), false, "somebody else did");
  });
});
