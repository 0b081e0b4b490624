// The keys of examples/e2ee-chat without a browser: vectors, handshakes, sessions.

import assert from "node:assert/strict";
import { createECDH, createHash, createHmac, diffieHellman, hkdfSync, createPrivateKey, createPublicKey, createDecipheriv } from "node:crypto";
import { describe, test } from "node:test";
import * as lib from "../../examples/lib/crypto.js";
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
    // What is no key has no words: it is refused, and never offered to people for comparing.
    for (const key of ["", "key", "<b>", lib.toBase64url(new Uint8Array(65).fill(4))]) {
      await assert.rejects(handshake(ann, bob, { alterOffer: (m) => ({ ...m, key }) }), NotProved, key);
      await assert.rejects(handshake(ann, bob, { alterAnswer: (m) => ({ ...m, key }) }), NotProved, key);
    }
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
