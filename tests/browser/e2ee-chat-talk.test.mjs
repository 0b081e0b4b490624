// The conversations of examples/e2ee-chat without a browser, over a line that loses, alters and repeats.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as lib from "../../examples/lib/crypto.js";
import { Conversation } from "../../examples/e2ee-chat/public/conversation.js";
import { Items } from "../../examples/e2ee-chat/public/items.js";
import { People } from "../../examples/e2ee-chat/public/people.js";
import { Pins, trustOf } from "../../examples/e2ee-chat/public/pins.js";
import { MAX_AGE_MS } from "../../examples/e2ee-chat/public/session.js";
import { fakeClock } from "./apps/fake-clock.mjs";

const ANN = "0a".repeat(16);
const BOB = "0b".repeat(16);
const EVE = "0e".repeat(16);

async function person(id) {
  const { privateKey, publicKey } = await lib.newAgreementPair();
  return { id, privateKey, publicText: await lib.exportPublic(publicKey) };
}

/** Two conversations and a line between them that a test can alter. */
async function talk({ onWire = (frame) => [frame], together = true } = {}) {
  const clock = fakeClock();
  const people = await Promise.all([person(ANN), person(BOB)]);
  const wire = [];
  const unknown = [];
  const ends = {};
  const busy = new Set();
  const join = (own, peer, name) => {
    const send = (event, data) => {
      const frame = { event, data: structuredClone(data), from: name };
      wire.push(frame);
      for (const out of onWire(frame)) deliver(out);
    };
    ends[name] = new Conversation({
      own, peer: { id: peer.id, name: "peer" }, line: { send }, clock, pinnedKey: () => peer.publicText,
      onChange() {}, onUnknownKey: (key) => unknown.push([name, key]),
    });
  };
  function deliver({ event, data, from }) {
    const done = ends[from === "ann" ? "bob" : "ann"].receive(event, structuredClone(data));
    busy.add(done);
    done.finally(() => busy.delete(done));
  }
  join(people[0], people[1], "ann");
  join(people[1], people[0], "bob");
  // An event of no kind goes through both queues behind all else, so no time is guessed.
  const settle = async () => {
    let quiet = 0;
    for (let i = 0; i < 1000 && quiet < 4; i++) {
      const before = wire.length;
      await Promise.all([...busy, ...Object.values(ends).map((end) => end.receive("none"))]);
      clock.advance(50);
      quiet = wire.length === before && busy.size === 0 ? quiet + 1 : 0;
    }
  };
  if (together) for (const end of Object.values(ends)) end.setPresence({ isHere: true, isLive: true });
  return { ...ends, people, wire, unknown, clock, deliver, settle };
}

const texts = ({ items }) => items.list.filter(({ kind, isMine }) => kind === "text" && !isMine).map(({ text }) => text);
const states = ({ items }) => items.list.filter(({ isMine }) => isMine).map(({ state }) => state);
const notes = ({ items }) => items.list.filter(({ kind }) => kind === "note").map(({ reason, count }) => `${reason} ${count}`);
const events = (wire) => wire.map(({ event, from }) => `${from} ${event.slice(7)}`);

describe("conversation", () => {
  test("three messages, then text and its acknowledgement", async () => {
    const { ann, bob, wire, settle } = await talk();
    ann.say("hello");
    await settle();
    assert.deepEqual(texts(bob), ["hello"]);
    assert.deepEqual(states(ann), ["opened"]);
    assert.deepEqual(events(wire), ["ann offer", "bob answer", "ann confirm", "ann message", "bob opened"]);
    assert.deepEqual([ann.phase, bob.phase], ["sealed", "sealed"]);
  });

  test("typing is seen, and is over after five seconds", async () => {
    const { ann, bob, clock, settle } = await talk();
    ann.say("hello");
    await settle();
    ann.typing();
    ann.typing();
    await settle();
    assert.equal(bob.isTyping, true);
    clock.advance(5000);
    assert.equal(bob.isTyping, false);
  });

  test("of two offers the smaller id's stands", async () => {
    const { ann, bob, wire, settle } = await talk();
    ann.say("from ann");
    bob.say("from bob");
    await settle();
    assert.deepEqual([texts(ann), texts(bob)], [["from bob"], ["from ann"]]);
    assert.deepEqual(events(wire).filter((name) => /answer|confirm/.test(name)), ["bob answer", "ann confirm"]);
  });

  test("an offer that the other side came too late for is sent again at once", async () => {
    let isHeard = false;
    const { ann, bob, clock, settle } = await talk({ onWire: (frame) => (isHeard || frame.from === "bob" ? [frame] : []) });
    ann.say("hello");
    await settle();
    isHeard = true;
    bob.say("here I am");
    await settle();
    clock.advance(400);
    await settle();
    assert.deepEqual([texts(bob), texts(ann)], [["hello"], ["here I am"]]);
  });

  test("a lost offer, answer or confirmation is sent again", async () => {
    for (const lost of ["client-offer", "client-answer", "client-confirm"]) {
      let isLost = false;
      const { ann, bob, clock, settle } = await talk({
        onWire: (frame) => (frame.event === lost && !isLost ? ((isLost = true), []) : [frame]),
      });
      ann.say("hello");
      await settle();
      clock.advance(4000);
      await settle();
      assert.deepEqual([texts(bob), states(ann)], [["hello"], ["opened"]], lost);
    }
  });

  test("replayed and altered messages are refused and shown, missing ones counted", async () => {
    let alter = (frame) => [frame];
    const { ann, bob, wire, deliver, settle } = await talk({ onWire: (frame) => alter(frame) });
    ann.say("one");
    await settle();
    const capture = wire.find(({ event }) => event === "client-message");
    deliver(capture);
    deliver({ ...capture, data: { ...capture.data, mac: "A".repeat(43) } });
    await settle();
    assert.deepEqual(texts(bob), ["one"]);
    assert.deepEqual(notes(bob), ["replayed 1", "altered 1"]);
    const held = [];
    alter = (frame) => (frame.event === "client-message" && held.length < 2 ? (held.push(frame), []) : [frame]);
    for (const text of ["two", "three", "four"]) ann.say(text);
    await settle();
    assert.deepEqual([texts(bob), notes(bob).at(-1)], [["one", "four"], "missing 2"]);
    deliver(held[0]);
    await settle();
    assert.deepEqual([texts(bob), notes(bob).at(-1)], [["one", "four", "two"], "missing 1"]);
    deliver(held[1]);
    await settle();
    assert.deepEqual(notes(bob), ["replayed 1", "altered 1"], "nothing is missing any more");
  });

  test("a handshake played again opens nothing, and ends by itself", async () => {
    const { ann, bob, wire, deliver, clock, settle } = await talk();
    ann.say("one");
    await settle();
    for (const frame of [...wire]) deliver(frame);
    await settle();
    assert.deepEqual(texts(bob), ["one"]);
    assert.deepEqual(states(ann), ["opened"]);
    ann.say("two");
    await settle();
    assert.deepEqual(texts(bob), ["one", "two"]);
    // A page loaded anew does not remember the offer, but the answer to it gets no confirmation.
    const later = await talk();
    later.deliver({ ...wire[0], data: { ...wire[0].data, key: later.people[0].publicText } });
    await later.settle();
    assert.equal(later.bob.phase, "answering");
    for (let i = 0; i < 6; i++) {
      later.clock.advance(4000);
      await later.settle();
    }
    assert.equal(later.bob.phase, "idle");
    clock.advance(0);
  });

  test("a handshake that was altered is refused and shown", async () => {
    const { ann, bob, settle } = await talk({
      onWire: (frame) => [frame.event === "client-answer" ? { ...frame, data: { ...frame.data, nonce: "A".repeat(43) } } : frame],
    });
    ann.say("secret");
    await settle();
    assert.deepEqual([notes(ann), texts(bob), states(ann)], [["unproved 1"], [], ["waiting"]]);
  });

  test("250 messages arrive once and in order, over several sessions", async () => {
    const { ann, bob, wire, clock, settle } = await talk({ together: false });
    ann.setPresence({ isHere: true, isLive: false });
    const expected = Array.from({ length: 250 }, (_, i) => `text ${i}`);
    for (const text of expected) ann.say(text);
    assert.equal(ann.waiting, 250);
    for (const end of [bob, ann]) end.setPresence({ isHere: true, isLive: true });
    for (let i = 0; i < 20 && states(ann).some((state) => state !== "opened"); i++) {
      await settle();
      clock.advance(1000);
    }
    assert.deepEqual(texts(bob), expected);
    assert.equal(new Set(wire.filter(({ event }) => event === "client-message").map(({ data }) => data.sid)).size, 3);
    assert.deepEqual(notes(bob), []);
  });

  test("an unsent or unacknowledged text is never forgotten, however many there are", () => {
    for (const state of ["waiting", "undelivered", "sent"]) {
      const items = new Items();
      for (let i = 0; i < 600; i++) items.add({ kind: "text", isMine: true, text: `text ${i}`, state });
      assert.equal(items.count(state), 600, state);
      for (let i = 0; i < 10; i++) items.add({ kind: "text", isMine: false, text: `other ${i}` });
      assert.equal(items.count(state), 600, state);
    }
  });

  test("the longest text of the composer fits into a client event, whatever it is made of", async () => {
    for (const letter of ["\u0001", "\ud800", "\u007f", "\u2028", "漢", '"', "\n"]) {
      const { ann, bob, wire, settle } = await talk();
      ann.say(`a${letter.repeat(1498)}z`);
      await settle();
      const { data } = wire.find(({ event }) => event === "client-message");
      assert.ok(JSON.stringify(data).length <= 10_240, `${JSON.stringify(letter)}: ${JSON.stringify(data).length} bytes`);
      assert.match(texts(bob)[0], /^a[^]*z$/);
    }
  });

  test("after 15 minutes the next message makes new keys", async () => {
    const { ann, bob, wire, clock, settle } = await talk();
    ann.say("one");
    await settle();
    clock.advance(MAX_AGE_MS);
    assert.equal(ann.phase, "spent");
    ann.say("two");
    await settle();
    assert.deepEqual(texts(bob), ["one", "two"]);
    const [first, second] = wire.filter(({ event }) => event === "client-message").map(({ data }) => data.sid);
    assert.notEqual(first, second);
    clock.advance(MAX_AGE_MS + 60_000);
    await settle();
    assert.equal(ann.phase, "idle", "the keys are dropped without another message");
  });

  test("an absent peer: not delivered, and sent again on demand", async () => {
    const { ann, bob, clock, settle } = await talk({ together: false });
    ann.setPresence({ isHere: false, isLive: true });
    ann.say("anybody?");
    assert.deepEqual(states(ann), ["waiting"], "somebody may come back at once");
    await settle();
    clock.advance(5000);
    assert.deepEqual(states(ann), ["undelivered"]);
    ann.say("nobody");
    assert.deepEqual(states(ann), ["undelivered", "undelivered"]);
    for (const end of [bob, ann]) end.setPresence({ isHere: true, isLive: true });
    await settle();
    assert.deepEqual(texts(bob), []);
    ann.sendAgain();
    await settle();
    assert.deepEqual([texts(bob), states(ann)], [["anybody?", "nobody"], ["opened", "opened"]]);
  });

  test("a line that breaks makes new keys, and loses nothing", async () => {
    let isUp = true;
    const { ann, bob, wire, settle } = await talk({ onWire: (frame) => (isUp ? [frame] : []) });
    ann.say("one");
    await settle();
    isUp = false;
    ann.say("two");
    await settle();
    ann.setPresence({ isHere: true, isLive: false });
    ann.say("three");
    await settle();
    isUp = true;
    ann.setPresence({ isHere: true, isLive: true });
    await settle();
    assert.deepEqual([texts(bob), states(ann)], [["one", "two", "three"], ["opened", "opened", "opened"]]);
    assert.equal(wire.filter(({ event }) => event === "client-offer").length, 2);
  });

  test("a message under keys that are gone stays shut, and comes again under new ones", async () => {
    const { ann, bob, settle } = await talk();
    ann.say("one");
    await settle();
    await bob.close();
    ann.say("two");
    await settle();
    assert.deepEqual(texts(bob), ["one", "two"]);
    assert.deepEqual(notes(bob), ["shut 1"]);
  });

  test("another long-term key stops the chat, and nothing is sent", async () => {
    const eve = await person(BOB);
    const { ann, bob, wire, unknown, settle } = await talk({
      onWire: (frame) => [frame.event === "client-answer" ? { ...frame, data: { ...frame.data, key: eve.publicText } } : frame],
    });
    ann.say("secret");
    await settle();
    assert.deepEqual(unknown, [["ann", eve.publicText]]);
    ann.stop();
    const before = events(wire).filter((name) => name.startsWith("ann")).length;
    ann.say("more");
    await settle();
    assert.equal(events(wire).filter((name) => name.startsWith("ann")).length, before);
    assert.deepEqual([texts(bob), states(ann)], [[], ["waiting", "waiting"]]);
  });
});

/* ---- pins --------------------------------------------------------------------------------- */

function memoryStore() {
  const values = new Map();
  return {
    put: async (id, value) => void values.set(id, structuredClone(value)),
    entries: async (prefix) => [...values].filter(([id]) => id.startsWith(prefix)).map(([id, value]) => [id, structuredClone(value)]),
  };
}

describe("pins", () => {
  test("the first key is pinned, and no other takes its place without a press", async () => {
    const store = memoryStore();
    const pins = await Pins.open(store, ANN);
    assert.equal(await pins.see(BOB, "Bob", "key 1"), "new");
    assert.equal(await pins.see(BOB, "Bob", "key 1"), "same");
    await pins.verify(BOB, "key 1");
    assert.equal(trustOf(pins.get(BOB)), "verified");
    assert.equal(await pins.see(BOB, "Bob", "key 2"), "changed");
    const again = await Pins.open(store, ANN);
    assert.deepEqual([again.get(BOB).key, again.get(BOB).offered, trustOf(again.get(BOB))], ["key 1", "key 2", "changed"]);
    await again.reject(BOB, "key 2");
    assert.equal(await again.see(BOB, "Bob", "key 1"), "same");
    assert.equal(trustOf(again.get(BOB)), "verified", "a rejected key takes nothing from the pinned one");
    await again.see(BOB, "Bob", "key 2");
    await again.verify(BOB, "key 2");
    assert.deepEqual([again.get(BOB).key, trustOf(again.get(BOB))], ["key 2", "verified"]);
    await again.reject(BOB, "key 2");
    assert.equal(trustOf(again.get(BOB)), "differs");
    assert.equal((await Pins.open(store, BOB)).get(BOB), undefined, "pins of one account are not those of another");
  });

  test("a name stays with its key, so that a server cannot give a verified person another's name", async () => {
    const pins = await Pins.open(memoryStore(), ANN);
    await pins.see(BOB, "Mallory", "key 1");
    await pins.verify(BOB, "key 1");
    await pins.see(BOB, "Bob", "key 1");
    assert.equal(pins.get(BOB).name, "Mallory");
    await pins.see(BOB, "Bob", "key 2");
    assert.deepEqual([pins.get(BOB).name, trustOf(pins.get(BOB))], ["Mallory", "changed"]);
  });

  test("a storage that stops answering takes no pin away", async () => {
    const store = memoryStore();
    const pins = await Pins.open(store, ANN);
    await pins.see(BOB, "Bob", "key 1");
    await pins.verify(BOB, "key 1");
    store.entries = async () => [];
    await pins.reload();
    assert.equal(await pins.see(BOB, "Bob", "key 2"), "changed");
  });

  test("a swapped key in the directory stops the chat: another's, and one's own", async () => {
    const [ann, bob, eve] = await Promise.all([person(ANN), person(BOB), person(BOB)]);
    const pins = await Pins.open(memoryStore(), ANN);
    const people = new People({ own: ann, pins, clock: fakeClock(), onChange() {}, onArrival() {} });
    const sent = [];
    people.line = { send: (...frame) => sent.push(frame) };
    people.setLive(true);
    const own = { id: ANN, name: "Ann", key: ann.publicText };
    const shows = (mine, key) => people.setMembers([{ ...own, key: mine }, { id: BOB, name: "Bob", key }]);
    const phases = [];
    for (const [mine, theirs] of [[own.key, bob.publicText], [own.key, eve.publicText], [own.key, bob.publicText], [eve.publicText, bob.publicText]]) {
      await shows(mine, theirs);
      phases.push(people.get(BOB).conversation.isStopped);
    }
    assert.deepEqual(phases, [false, true, false, true]);
    assert.equal(people.isOwnKeyShown, false);
    await people.setMembers([own, { id: EVE, name: "Eve", key: "no key" }]);
    assert.equal(people.get(EVE), undefined, "what is no key has no words, and is not pinned");
    await shows(eve.publicText, bob.publicText);
    const before = sent.length;
    people.get(BOB).conversation.say("secret");
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(sent.length, before);
    await people.get(BOB).conversation.close();
  });
});
