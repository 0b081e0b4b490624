// The keys of examples/e2ee-chat without a browser: vectors, handshakes, sessions, conversations.

import assert from "node:assert/strict";
import { createECDH, createHash, createHmac, diffieHellman, hkdfSync, createPrivateKey, createPublicKey, createDecipheriv } from "node:crypto";
import { describe, test } from "node:test";
import * as lib from "../../examples/lib/crypto.js";
import { Conversation } from "../../examples/e2ee-chat/public/conversation.js";
import { answerOffer, checkConfirm, confirmAnswer, makeOffer, NotProved, UnknownKey } from "../../examples/e2ee-chat/public/handshake.js";
import { ReplayWindow } from "../../examples/e2ee-chat/public/replay-window.js";
import { MAX_AGE_MS, MAX_MESSAGES, Refused, Session } from "../../examples/e2ee-chat/public/session.js";

const ANN = "0a".repeat(16);
const BOB = "0b".repeat(16);

async function person(id) {
  const { privateKey, publicKey } = await lib.newAgreementPair();
  return { id, privateKey, publicText: await lib.exportPublic(publicKey) };
}
const known = ({ id, publicText }) => ({ id, key: publicText });

async function handshake(ann, bob, { alterOffer = (m) => m, alterAnswer = (m) => m, alterConfirm = (m) => m } = {}) {
  const offer = await makeOffer(ann, known(bob));
  const answer = await answerOffer(alterOffer(offer.message), bob, known(ann));
  const confirm = await confirmAnswer(alterAnswer(answer.message), { offer: offer.message, ephemeral: offer.ephemeral }, ann, known(bob));
  await checkConfirm(alterConfirm(confirm.message), answer.keys);
  return { offer, answer, confirm };
}

async function sessions(now = () => 0) {
  const [ann, bob] = await Promise.all([person(ANN), person(BOB)]);
  const { offer, answer, confirm } = await handshake(ann, bob);
  const { sid } = offer.message;
  return {
    out: new Session({ sid, own: ANN, peer: BOB, keys: confirm.keys, now }),
    into: new Session({ sid, own: BOB, peer: ANN, keys: answer.keys, now }),
  };
}

describe("handshake", () => {
  test("keys, transcript and MACs are those of Node's crypto", async () => {
    // Key pairs whose private parts this test knows; the page's own are not extractable.
    const made = async (use) => {
      const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
      const jwk = await crypto.subtle.exportKey("jwk", privateKey);
      return { use, privateKey, publicText: await lib.exportPublic(publicKey), node: createPrivateKey({ key: jwk, format: "jwk" }) };
    };
    const [a, b, ea] = await Promise.all(["ann", "bob", "ephemeral"].map(made));
    const ann = { id: ANN, ...a };
    const bob = { id: BOB, ...b };
    const offer = { ...(await makeOffer(ann, known(bob))).message, ephemeral: ea.publicText };
    const answer = await answerOffer(offer, bob, known(ann));
    const confirm = await confirmAnswer(answer.message, { offer, ephemeral: ea.privateKey }, ann, known(bob));

    const publicOf = (text) => {
      const point = Buffer.from(text, "base64url");
      const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString("base64url"));
      return createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" });
    };
    const dh = (mine, theirs) => diffieHellman({ privateKey: mine, publicKey: publicOf(theirs) });
    const encode = (items) => Buffer.concat(items.map((item) => {
      const bytes = Buffer.isBuffer(item) ? item : Buffer.from(String(item));
      const head = Buffer.alloc(5);
      head[0] = Buffer.isBuffer(item) ? 3 : typeof item === "number" ? 2 : 1;
      head.writeUInt32BE(bytes.length, 1);
      return Buffer.concat([head, bytes]);
    }));
    const fields = (m) => [m.v, m.sid, m.from, m.to, m.ephemeral, m.key, m.nonce];
    const transcript = createHash("sha256").update(encode([...fields(offer), ...fields(answer.message)])).digest();
    const ikm = Buffer.concat([dh(a.node, answer.message.ephemeral), dh(ea.node, b.publicText), dh(ea.node, answer.message.ephemeral)]);
    const salt = Buffer.concat([offer.nonce, answer.message.nonce].map((text) => Buffer.from(text, "base64url")));
    const key = (purpose) => Buffer.from(hkdfSync("sha256", ikm, salt, encode([purpose, transcript]), 32));
    const mac = (secret, items) => createHmac("sha256", secret).update(encode(items)).digest("base64url");

    assert.deepEqual(Buffer.from(confirm.keys.transcript), transcript);
    assert.equal(answer.message.mac, mac(key("confirm"), ["answer", transcript]));
    assert.equal(confirm.message.mac, mac(key("confirm"), ["confirm", transcript]));

    const session = new Session({ sid: offer.sid, own: ANN, peer: BOB, keys: confirm.keys, now: () => 0 });
    const envelope = await session.seal({ id: "1", text: "vector" });
    const head = [1, offer.sid, ANN, BOB, 1];
    assert.equal(envelope.mac, mac(key("offerer authenticates"), ["envelope", ...head, envelope.sealed]));
    const [iv, sealed] = envelope.sealed.split(".").map((text) => Buffer.from(text, "base64url"));
    const cipher = createDecipheriv("aes-256-gcm", key("offerer seals"), iv);
    cipher.setAAD(encode(["message", ...head])).setAuthTag(sealed.subarray(-16));
    const plain = Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
    assert.equal(plain.length, 64, "padded");
    assert.equal(plain.toString().replace(/\x80?\0*$/, "").slice(0, 26), '{"id":"1","text":"vector"}');
  });

  test("private keys do not export, and each session has keys of its own", async () => {
    const [ann, bob] = await Promise.all([person(ANN), person(BOB)]);
    const [one, two] = [await handshake(ann, bob), await handshake(ann, bob)];
    for (const key of [ann.privateKey, one.offer.ephemeral]) {
      await assert.rejects(crypto.subtle.exportKey("pkcs8", key), { name: /^InvalidAccess/ });
    }
    for (const key of [one.confirm.keys.sealOut, one.confirm.keys.macOut, one.confirm.keys.confirm]) {
      await assert.rejects(crypto.subtle.exportKey("raw", key), { name: /^InvalidAccess/ });
    }
    assert.notDeepEqual(one.confirm.keys.transcript, two.confirm.keys.transcript);
    assert.notEqual(one.offer.message.ephemeral, two.offer.message.ephemeral);
    const now = () => 0;
    const old = await new Session({ sid: one.offer.message.sid, own: ANN, peer: BOB, keys: one.confirm.keys, now }).seal({ text: "capture" });
    const later = new Session({ sid: one.offer.message.sid, own: BOB, peer: ANN, keys: two.answer.keys, now });
    await assert.rejects(later.open(old), { reason: "altered" }, "an old capture stays shut");
  });

  test("every altered field is refused", async () => {
    const [ann, bob, eve] = await Promise.all([person(ANN), person(BOB), person("0e".repeat(16))]);
    const other = async () => lib.exportPublic((await lib.newAgreementPair()).publicKey);
    const changes = {
      v: 2, sid: "0".repeat(32), from: eve.id, to: eve.id, ephemeral: await other(), nonce: lib.toBase64url(new Uint8Array(32)),
    };
    for (const [field, value] of Object.entries(changes)) {
      const alter = (message) => ({ ...message, [field]: value });
      await assert.rejects(handshake(ann, bob, { alterOffer: alter }), NotProved, `offer: ${field}`);
      await assert.rejects(handshake(ann, bob, { alterAnswer: alter }), NotProved, `answer: ${field}`);
    }
    for (const mac of ["", undefined, "A".repeat(43), 7]) {
      await assert.rejects(handshake(ann, bob, { alterAnswer: (m) => ({ ...m, mac }) }), NotProved);
      await assert.rejects(handshake(ann, bob, { alterConfirm: (m) => ({ ...m, mac }) }), NotProved);
    }
    for (const ephemeral of ["", "AAAA", lib.toBase64url(new Uint8Array(65).fill(4)), null]) {
      await assert.rejects(handshake(ann, bob, { alterOffer: (m) => ({ ...m, ephemeral }) }), NotProved, "off the curve");
    }
    await handshake(ann, bob);
  });

  test("another long-term key is told apart", async () => {
    const [ann, bob, eve] = await Promise.all([person(ANN), person(BOB), person(BOB)]);
    const swap = (message) => ({ ...message, key: eve.publicText });
    await assert.rejects(handshake(ann, bob, { alterOffer: swap }), (error) => error instanceof UnknownKey && error.key === eve.publicText);
    await assert.rejects(handshake(ann, bob, { alterAnswer: swap }), UnknownKey);
    const offer = await makeOffer(ann, known(bob));
    await assert.rejects(answerOffer(offer.message, eve, known(bob)), NotProved);
  });

  test("who once used one person's key cannot pose to that person as another", async () => {
    // The forger derives with Ann's long-term key, and has an ephemeral key of his own. No mix of what he
    // can agree on is enough: one agreement needs Bob's long-term key or Ann's ephemeral one.
    const [ann, bob] = await Promise.all([person(ANN), person(BOB)]);
    const offer = await makeOffer(ann, known(bob));
    const ephemeral = await lib.newAgreementPair();
    const part = { ...offer.message, from: BOB, to: ANN, ephemeral: await lib.exportPublic(ephemeral.publicKey), key: bob.publicText };
    const point = lib.importAgreementKey;
    const can = await Promise.all([
      lib.agree(ann.privateKey, ephemeral.publicKey), lib.agree(ann.privateKey, await point(bob.publicText)),
      lib.agree(ann.privateKey, await point(offer.message.ephemeral)),
      lib.agree(ephemeral.privateKey, await point(offer.message.ephemeral)), lib.agree(ephemeral.privateKey, await point(bob.publicText)),
    ]);
    const fields = (m) => [m.v, m.sid, m.from, m.to, m.ephemeral, m.key, m.nonce];
    const transcript = await lib.sha256(lib.encodeContext([...fields(offer.message), ...fields(part)]));
    const salt = lib.concat(...[offer.message, part].map(({ nonce }) => lib.fromBase64url(nonce)));
    for (const one of can) for (const two of can) for (const three of can) {
      const key = await lib.macKey(await lib.importSecret(lib.concat(one, two, three)), "confirm", { salt, context: [transcript] });
      const forged = { ...part, mac: await lib.mac(key, ["answer", transcript]) };
      await assert.rejects(confirmAnswer(forged, { offer: offer.message, ephemeral: offer.ephemeral }, ann, known(bob)), NotProved);
    }
  });

  test("Node's own P-256 agrees with WebCrypto", async () => {
    const node = createECDH("prime256v1");
    node.generateKeys();
    const { privateKey, publicKey } = await lib.newAgreementPair();
    const mine = await lib.agree(privateKey, await lib.importAgreementKey(node.getPublicKey("base64url")));
    assert.deepEqual(Buffer.from(mine), node.computeSecret(Buffer.from(await lib.exportPublic(publicKey), "base64url")));
  });
});

describe("session", () => {
  test("opens each number once, inside a window of 64", () => {
    const window = new ReplayWindow();
    const take = (n) => (window.check(n) === "new" ? window.mark(n) : window.check(n));
    assert.deepEqual([1, 2, 2, 5, 3, 3, 4].map(take), [0, 0, "replayed", 2, -1, "replayed", -1]);
    assert.deepEqual([70, 6, 7, 5].map(take), [64, "old", -1, "old"]);
  });

  test("refuses altered, replayed, misdirected and old messages", async () => {
    const { out, into } = await sessions();
    const first = await out.seal({ text: "one" });
    assert.deepEqual(await into.open(first), { body: { text: "one" }, n: 1, skipped: 0 });
    await assert.rejects(into.open(first), { reason: "replayed" });
    const second = await out.seal({ text: "two" });
    const flip = (text, at = 20) => text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
    const changes = {
      n: 3, v: 2, sid: "f".repeat(32), from: BOB, to: ANN, sealed: flip(second.sealed), mac: flip(second.mac),
    };
    for (const [field, value] of Object.entries(changes)) {
      await assert.rejects(into.open({ ...second, [field]: value }), { reason: "altered" }, field);
    }
    for (const n of [0, -1, 1.5, "2", null, MAX_MESSAGES + 1]) await assert.rejects(into.open({ ...second, n }), { reason: "altered" });
    // Its own message, thrown back.
    await assert.rejects(out.open(second), { reason: "altered" });
    assert.equal((await into.open(second)).body.text, "two", "an altered copy does not use up the number");
    const skipped = await Promise.all([out.seal({ text: "three" }), out.seal({ text: "four" })]);
    assert.equal((await into.open(skipped[1])).skipped, 1);
    assert.equal((await into.open(skipped[0])).skipped, -1);
  });

  test("authenticates acknowledgements, each once and of one kind", async () => {
    const { out, into } = await sessions();
    const note = await out.note("opened", [1, 2]);
    await assert.rejects(into.readNote("typing", note), Refused);
    await assert.rejects(into.readNote("opened", { ...note, numbers: [1, 2, 3] }), Refused);
    await assert.rejects(into.readNote("opened", { ...note, numbers: "12" }), Refused);
    assert.deepEqual(await into.readNote("opened", note), [1, 2]);
    await assert.rejects(into.readNote("opened", note), { reason: "replayed" });
  });

  test("is spent after 100 messages or 15 minutes", async () => {
    let time = 0;
    const { out, into } = await sessions(() => time);
    for (let i = 0; i < MAX_MESSAGES; i++) {
      assert.equal(out.isSpent, false);
      await into.open(await out.seal({ i }));
    }
    assert.deepEqual([out.isSpent, into.isSpent], [true, true]);
    const another = await sessions(() => time);
    time += MAX_AGE_MS;
    assert.deepEqual([another.out.isSpent, another.out.isOver], [true, false]);
    time += 60_000;
    assert.equal(another.out.isOver, true);
  });
});

/* ---- conversations ------------------------------------------------------------------------ */

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
  const settle = async () => {
    for (let i = 0; i < 40; i++) {
      await Promise.all(busy);
      await new Promise((resolve) => setTimeout(resolve, 1));
      clock.advance(50);
      if (busy.size === 0 && i > 12) return;
    }
  };
  if (together) for (const end of Object.values(ends)) end.setPresence({ isHere: true, isLive: true });
  return { ...ends, people, wire, unknown, clock, deliver, settle };
}

function fakeClock() {
  let time = 0;
  const timers = new Set();
  return {
    now: () => time,
    after(ms, run) {
      const timer = { at: time + ms, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      time += ms;
      for (const timer of [...timers]) {
        if (timer.at > time || !timers.delete(timer)) continue;
        timer.run();
      }
    },
  };
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
