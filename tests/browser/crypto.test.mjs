// crypto.js, words.js, publish.js and snapshot.js in Node.js, against node:crypto and known answers.

import assert from "node:assert/strict";
import {
  createDecipheriv, createECDH, createHash, createHmac, createPublicKey, hkdfSync, pbkdf2Sync, verify as nodeVerify, webcrypto,
} from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import * as lib from "../../examples/lib/crypto.js";
import { openClient, pollLast, SeenIds } from "../../examples/lib/publish.js";
import { openSnapshot } from "../../examples/lib/snapshot.js";
import * as words from "../../examples/lib/words.js";
import { wordlist } from "../../examples/node_modules/@scure/bip39/wordlists/english.js";
import { rateLimit } from "../../examples/lib/http.mjs";
import { toToml } from "../../examples/lib/toml.mjs";

const RAW = Uint8Array.from({ length: 32 }, (_, i) => i);
const CONTEXT = ["room", 7, new Uint8Array([1, 2])];
// 5 bytes of kind and length before each item, written out so that the encoding cannot drift.
const CONTEXT_HEX = "0100000004726f6f6d" + "020000000137" + "03000000020102";

test("encodings go there and back, and refuse what they did not make", () => {
  for (let length = 0; length < 70; length++) {
    const bytes = lib.randomBytes(length);
    assert.equal(lib.toBase64url(bytes), Buffer.from(bytes).toString("base64url"));
    assert.deepEqual(lib.fromBase64url(lib.toBase64url(bytes)), bytes);
    assert.deepEqual(lib.fromHex(lib.toHex(bytes)), bytes);
  }
  for (const bad of ["a b", "a+b", "a=", "ä", undefined]) assert.throws(() => lib.fromBase64url(bad), TypeError);
  for (const bad of ["0", "0g", undefined]) assert.throws(() => lib.fromHex(bad), TypeError);
  // Unused bits in the last letter: another text for the same bytes would pass as another signature.
  for (const [bad, good] of [["AB", "AA"], ["AAB", "AAA"], ["A"]]) {
    assert.throws(() => lib.fromBase64url(bad), TypeError, bad);
    if (good) assert.equal(lib.toBase64url(lib.fromBase64url(good)), good);
  }
  for (const text of ["\ufeffmark", "", "½\0"]) assert.equal(lib.fromUtf8(lib.utf8(text)), text);
  const large = lib.randomBytes(60_000);
  assert.deepEqual(lib.fromBase64url(lib.toBase64url(large)), large);
});

test("contexts are unambiguous", () => {
  assert.equal(lib.toHex(lib.encodeContext(CONTEXT)), CONTEXT_HEX);
  const lists = [["ab"], ["a", "b"], ["", "ab"], [1], ["1"], [new Uint8Array([49])], [], [""]];
  assert.equal(new Set(lists.map((list) => lib.toHex(lib.encodeContext(list)))).size, lists.length);
  for (const bad of [null, undefined, 1.5, -1, {}, true, "\ud800"]) assert.throws(() => lib.encodeContext([bad]), TypeError);
});

test("padding hides lengths in steps, and comes off", () => {
  const lengths = (kind, from, to) => new Set(Array.from({ length: to - from }, (_, i) => lib.pad(new Uint8Array(from + i), kind).length));
  assert.deepEqual([...lengths("message", 0, 64)], [64]);
  assert.deepEqual([...lengths("message", 64, 256)], [256]);
  assert.deepEqual([...lengths("message", 256, 512)], [512]);
  assert.deepEqual([...lengths("snapshot", 0, 1024)], [1024]);
  for (const kind of ["message", "snapshot"]) {
    for (const bytes of [[], [0], [0x80], [0x80, 0], [1, 2, 0, 0]].map((list) => new Uint8Array(list))) {
      assert.deepEqual(lib.unpad(lib.pad(bytes, kind)), bytes);
    }
  }
  for (const bad of [[], [0, 0], [1]]) assert.throws(() => lib.unpad(new Uint8Array(bad)), TypeError);
  assert.throws(() => lib.pad(new Uint8Array(), "toString"), TypeError);
});

test("seal is AES-256-GCM under a key of HKDF-SHA-256, as node:crypto opens it", async () => {
  const secret = await lib.importSecret(RAW);
  const salt = lib.utf8("salt of 16 bytes");
  const key = await lib.sealingKey(secret, "purpose", { salt, context: CONTEXT });
  const sealed = await lib.seal(key, "grüße", CONTEXT);
  assert.match(sealed, /^[\w-]{16}\.[\w-]+$/);
  const info = Buffer.concat([Buffer.from("0100000007", "hex"), Buffer.from("purpose"), Buffer.from(CONTEXT_HEX, "hex")]);
  const raw = Buffer.from(hkdfSync("sha256", RAW, salt, info, 32));
  const [iv, ct] = sealed.split(".").map((part) => Buffer.from(part, "base64url"));
  const cipher = createDecipheriv("aes-256-gcm", raw, iv).setAAD(Buffer.from(CONTEXT_HEX, "hex")).setAuthTag(ct.subarray(-16));
  const plain = Buffer.concat([cipher.update(ct.subarray(0, -16)), cipher.final()]);
  assert.equal(plain.length, 64);
  assert.equal(plain.toString("utf8", 0, 7), "grüße");
  assert.equal(plain[7], 0x80);

  const sealed2 = await lib.seal(key, "grüße", CONTEXT);
  assert.notEqual(sealed.split(".")[0], sealed2.split(".")[0], "another IV for each call");
  assert.equal(await lib.open(key, sealed, CONTEXT), "grüße");
  assert.deepEqual(await lib.openJson(key, await lib.sealJson(key, { a: [1] }, ["x"], { pad: "snapshot" }), ["x"]), { a: [1] });
  assert.equal((await lib.derivedBytes(secret, "room", 16)).length, 16);
  assert.deepEqual(Buffer.from(await lib.derivedBytes(secret, "purpose", 32, { salt, context: CONTEXT })), raw);
});

test("what was altered, moved or sealed with another key does not open", async () => {
  const secret = await lib.importSecret(RAW);
  const key = await lib.sealingKey(secret, "a");
  const sealed = await lib.seal(key, "text", ["room"]);
  const flip = (at) => sealed.slice(0, at) + (sealed[at] === "A" ? "B" : "A") + sealed.slice(at + 1);
  const broken = [flip(0), flip(17), flip(40), sealed.slice(0, -4), `${sealed}.x`, sealed.replace(".", ""), "", ".", "x.y", undefined, null, 7];
  for (const bad of broken) await assert.rejects(lib.open(key, bad, ["room"]), lib.DoesNotOpen, String(bad));
  await assert.rejects(lib.open(key, sealed, ["other"]), lib.DoesNotOpen);
  await assert.rejects(lib.open(await lib.sealingKey(secret, "b"), sealed, ["room"]), lib.DoesNotOpen);
  await assert.rejects(lib.openJson(key, sealed, ["room"]), lib.DoesNotOpen, "no JSON");
  await assert.rejects(lib.open(key, await lib.sealBytes(key, lib.utf8("no padding"), ["room"]), ["room"]), lib.DoesNotOpen);
});

test("keys are not extractable, and each needs a purpose", async () => {
  const secret = await lib.importSecret(RAW);
  const pairs = [await lib.newAgreementPair(), await lib.newSigningPair()];
  const keys = [secret, await lib.sealingKey(secret, "a"), await lib.macKey(secret, "b"), ...pairs.map((pair) => pair.privateKey)];
  for (const key of keys) {
    assert.equal(key.extractable, false);
    await assert.rejects(webcrypto.subtle.exportKey(key.type === "private" ? "pkcs8" : "raw", key));
  }
  for (const bad of ["", undefined]) await assert.rejects(lib.sealingKey(secret, bad), TypeError);
  await assert.rejects(lib.importSecret(new Uint8Array(31)), TypeError);
});

test("mac is HMAC-SHA-256", async () => {
  const secret = await lib.importSecret(RAW);
  const key = await lib.macKey(secret, "m");
  const raw = Buffer.from(hkdfSync("sha256", RAW, "", Buffer.concat([Buffer.from("0100000001", "hex"), Buffer.from("m")]), 32));
  const expected = createHmac("sha256", raw).update(Buffer.from(CONTEXT_HEX, "hex")).digest("base64url");
  assert.equal(await lib.mac(key, CONTEXT), expected);
  assert.equal(await lib.checkMac(key, CONTEXT, expected), true);
  assert.equal(await lib.checkMac(key, ["room"], expected), false);
  for (const bad of ["", "!", undefined, expected.slice(1)]) assert.equal(await lib.checkMac(key, CONTEXT, bad), false);
});

test("a passphrase is PBKDF2-SHA-256, and weak settings are refused whoever sends them", async () => {
  const head = lib.newPassphraseHead();
  assert.equal(head.iterations, 600_000);
  const secret = await lib.passphraseSecret("pass caf\u0065\u0301", head);
  const raw = pbkdf2Sync("pass caf\u00e9", Buffer.from(head.salt, "base64url"), 600_000, 32, "sha256");
  const same = await lib.importSecret(new Uint8Array(raw));
  assert.deepEqual(await lib.derivedBytes(secret, "x", 32), await lib.derivedBytes(same, "x", 32));
  const weak = [{ iterations: 599_999 }, { iterations: 1 }, { iterations: "600000" }, { iterations: 1e12 }, { iterations: undefined },
    { hash: "SHA-1" }, { kdf: "HKDF" }, { salt: "c2hvcnQ" }];
  for (const change of weak) await assert.rejects(lib.passphraseSecret("p", { ...head, ...change }), RangeError, JSON.stringify(change));
});

test("both sides of ECDH agree with node:crypto, and points off the curve are refused", async () => {
  const [pair, ecdh] = [await lib.newAgreementPair(), createECDH("prime256v1")];
  ecdh.generateKeys();
  const shared = await lib.agree(pair.privateKey, await lib.importAgreementKey(ecdh.getPublicKey("base64url")));
  assert.deepEqual(Buffer.from(shared), ecdh.computeSecret(await lib.exportPublic(pair.publicKey), "base64url"));
  const point = lib.fromBase64url(await lib.exportPublic(pair.publicKey));
  point[64] ^= 1;
  const compressed = ecdh.getPublicKey("base64url", "compressed");
  // The last letter has two bits to spare: four texts would be one key with one fingerprint.
  const text = ecdh.getPublicKey("base64url");
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const variant = text.slice(0, -1) + letters[letters.indexOf(text.at(-1)) + 1];
  for (const bad of [variant, lib.toBase64url(point), compressed, "", "AA"]) await assert.rejects(lib.importAgreementKey(bad), String(bad));
});

test("signatures are ECDSA with SHA-256, for one purpose", async () => {
  const pair = await lib.newSigningPair();
  const text = await lib.exportPublic(pair.publicKey);
  const key = await lib.importSigningKey(text);
  const signature = await lib.sign(pair.privateKey, "p", CONTEXT);
  assert.equal(await lib.verify(key, "p", CONTEXT, signature), true);
  const [x, y] = [1, 33].map((at) => lib.toBase64url(lib.fromBase64url(text).subarray(at, at + 32)));
  const nodeKey = createPublicKey({ format: "jwk", key: { kty: "EC", crv: "P-256", x, y } });
  const bytes = Buffer.concat([Buffer.from("010000000170", "hex"), Buffer.from(CONTEXT_HEX, "hex")]);
  assert.equal(nodeVerify("sha256", bytes, { key: nodeKey, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url")), true);
  assert.equal(await lib.verify(key, "q", CONTEXT, signature), false);
  assert.equal(await lib.verify(key, "p", ["room"], signature), false);
  for (const bad of ["", "!", undefined]) assert.equal(await lib.verify(key, "p", CONTEXT, bad), false);
});

test("a fingerprint is PBKDF2 over one person's id and key, as eight words", async () => {
  const key = await lib.exportPublic((await lib.newAgreementPair()).publicKey);
  const bits = pbkdf2Sync(Buffer.from(lib.encodeContext(["ann", lib.fromBase64url(key)])), "sealcast fp 1", 100_000, 11, "sha256");
  const number = BigInt(`0x${bits.toString("hex")}`);
  const expected = Array.from({ length: 8 }, (_, i) => wordlist[Number((number >> BigInt(77 - 11 * i)) & 2047n)]);
  assert.equal(wordlist.length, 2048);
  assert.deepEqual(await words.fingerprint("ann", key), expected);
  assert.notDeepEqual(await words.fingerprint("bob", key), expected, "the id counts");
  const other = await lib.exportPublic((await lib.newAgreementPair()).publicKey);
  const lines = await words.fingerprints([{ id: "bob", key: other }, { id: "ann", key }]);
  assert.deepEqual(lines.map(({ id }) => id), ["ann", "bob"]);
  assert.deepEqual(lines[0].words, expected);
});

test("the link of a QR compares whole hashes, and tells a swapped key", async () => {
  const [a, b, c] = await Promise.all([1, 2, 3].map(async () => lib.exportPublic((await lib.newAgreementPair()).publicKey)));
  const link = await words.verifyLink("https://app.example/verify", [{ id: "b", key: b }, { id: "a", key: a }]);
  const hash = createHash("sha256").update(Buffer.from(a, "base64url")).digest("base64url");
  assert.ok(link.startsWith(`https://app.example/verify#a=${hash}&b=`), link);
  const entries = words.readVerifyLink(new URL(link).hash);
  assert.equal(await words.matchesVerifyLink(entries, [{ id: "a", key: a }, { id: "b", key: b }]), true);
  assert.equal(await words.matchesVerifyLink(entries, [{ id: "a", key: a }, { id: "b", key: c }]), false);
  assert.equal(await words.matchesVerifyLink(entries, [{ id: "a", key: a }]), false);
  assert.equal(await words.matchesVerifyLink(null, [{ id: "a", key: a }]), false);
  for (const bad of ["", "#", "#a", "#a=b", "#=x", "#%=x", `#a=${hash}=`]) assert.equal(words.readVerifyLink(bad), null, bad);
});

test("a proposed passphrase has seven words of the list, and each is another one", () => {
  const made = Array.from({ length: 50 }, words.proposePassphrase);
  assert.equal(new Set(made).size, 50);
  for (const text of made) {
    assert.equal(text.split(" ").length, 7);
    assert.ok(text.split(" ").every((word) => wordlist.includes(word)), text);
    assert.equal(words.isWeakPassphrase(text), false);
  }
  const used = new Set(made.flatMap((text) => text.split(" ")));
  assert.ok(used.size > 250, `${used.size} different words of 350: they are drawn from the whole list`);
  for (const weak of ["", "secret", "apple apple apple apple apple apple apple", "one two three"]) assert.equal(words.isWeakPassphrase(weak), true, weak);
});

/* ---- publish.js and snapshot.js against a server that fails as told --------------------------- */

let server;
let url;
let answers = [];
let requests = [];
before(async () => {
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    requests.push({ method: request.method, path: request.url, headers: request.headers, body: body && JSON.parse(body) });
    const answer = answers.shift();
    if (typeof answer === "function") return answer(request, response, body);
    response.writeHead(answer.status, answer.headers).end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

function answering(...list) {
  answers = list;
  requests = [];
}
const lost = (request) => request.socket.destroy();

test("publish repeats after a lost answer, a 503 and a 429, with the same body", async () => {
  answering(lost, { status: 503 }, { status: 429, headers: { "retry-after": "1" } }, { status: 200, body: { position: "P1" } });
  const frames = [];
  const client = openClient({ url, token: async () => "T", onFrame: (frame) => frames.push(frame) });
  assert.deepEqual(await client.publish("private-a", "client-x", "data", { ifMatch: "P0" }), { ok: true, position: "P1" });
  assert.equal(requests.length, 4);
  for (const { headers, body, path } of requests) {
    assert.equal(path, "/events");
    assert.equal(headers.authorization, "Bearer T");
    assert.equal(headers["if-match"], '"P0"');
    assert.deepEqual(body, { name: "client-x", channel: "private-a", data: "data" });
  }
  assert.deepEqual(frames[0], { direction: "out", text: JSON.stringify(requests[0].body), bytes: JSON.stringify(requests[0].body).length });
});

test("a lost condition is a value, a refusal is an error with the server's sentence", async () => {
  const client = openClient({ url });
  answering({ status: 412, body: { error: "changed", code: "position_changed", position: "P9" } });
  assert.deepEqual(await client.publish("c", "client-x", "d", { ifNoneMatch: true }), { ok: false, position: "P9" });
  assert.equal(requests[0].headers["if-none-match"], "*");
  answering({ status: 422, body: { error: "This is plaintext.", code: "plaintext_refused" } });
  await assert.rejects(client.publish("c", "client-x", "d"), { status: 422, code: "plaintext_refused", message: "This is plaintext." });
  assert.equal(requests.length, 1, "no retry of a refusal");
});

test("a 401 asks once for another token", async () => {
  const asked = [];
  const client = openClient({ url, token: async ({ isStale }) => (asked.push(isStale), isStale ? "new" : "old") });
  answering({ status: 401 }, { status: 200, body: {} });
  await client.publish("c", "client-x", "d");
  assert.deepEqual(asked, [false, true]);
  assert.equal(requests[1].headers.authorization, "Bearer new");
  answering({ status: 401 }, { status: 401, body: { error: "no" } });
  await assert.rejects(client.publish("c", "client-x", "d"), { status: 401 });
});

test("an abort ends the waiting, and offline is status 0", async () => {
  const client = openClient({ url, tries: 2 });
  answering(lost, lost);
  await assert.rejects(client.clear("c"), { status: 0 });
  const stopping = new AbortController();
  answering({ status: 503, headers: { "retry-after": "20" } });
  const waiting = client.publish("c", "client-x", "d", { signal: stopping.signal });
  setTimeout(() => stopping.abort(new Error("closed")), 100);
  await assert.rejects(waiting, /closed/);
});

test("a server that never answers is asked again", async () => {
  answers = [() => {}, { status: 200, body: { position: "e:1" } }];
  assert.deepEqual(await openClient({ url, answerMs: 100 }).publish("c", "n", "d"), { ok: true, position: "e:1" });
  answers = [() => {}];
  const ending = new AbortController();
  setTimeout(() => ending.abort(new Error("left")), 50);
  await assert.rejects(openClient({ url }).publish("c", "n", "d", { signal: ending.signal }), /left/);
});

test("last tells an event, an unchanged one and none; polling reads each once", async () => {
  const client = openClient({ url });
  const event = { status: 200, headers: { etag: '"P1"' }, body: { name: "x", data: "d" } };
  answering(event, { status: 304 }, { status: 204 });
  assert.deepEqual(await client.last("c"), { status: "event", event: { name: "x", data: "d" }, position: "P1" });
  assert.deepEqual(await client.last("c", { etag: "P1" }), { status: "unchanged" });
  assert.equal(requests[1].headers["if-none-match"], '"P1"');
  assert.deepEqual(await client.last("c"), { status: "empty" });

  answering(event, { status: 304 }, ...Array(50).fill({ status: 304 }));
  const seen = [];
  const stop = pollLast(client, "c", { every: 10, onEvent: (_, position) => seen.push(position) });
  while (requests.length < 4) await new Promise((resolve) => setTimeout(resolve, 10));
  stop();
  assert.deepEqual(seen, ["P1"]);
  assert.ok(requests.slice(1, 4).every(({ headers }) => headers["if-none-match"] === '"P1"'));
});

test("a change whose answer was lost is applied once", async () => {
  const kept = { data: null, position: 0 };
  const write = (body) => {
    kept.data = JSON.parse(body).data;
    kept.position++;
  };
  const condition = (request) => request.headers["if-match"] ? request.headers["if-match"] === `"P${kept.position}"` : kept.position === 0;
  const events = (isLost) => (request, response, body) => {
    if (!condition(request)) return response.writeHead(412).end(JSON.stringify({ position: `P${kept.position}` }));
    write(body);
    return isLost ? request.socket.destroy() : response.end(JSON.stringify({ position: `P${kept.position}` }));
  };
  const last = (_, response) => response.writeHead(200, { etag: `"P${kept.position}"` }).end(JSON.stringify({ data: kept.data }));
  answering(events(true), events(false), last, events(false));
  const board = openSnapshot({
    client: openClient({ url }), channel: "c", name: "client-s", empty: () => [], seal: async (value) => JSON.stringify(value), open: async (text) => JSON.parse(text),
  });
  assert.deepEqual(await board.change("id-1", (list) => [...list, "once"]), ["once"]);
  assert.deepEqual(await board.change("id-2", (list) => [...list, "twice"]), ["once", "twice"]);
  assert.deepEqual(JSON.parse(kept.data), { version: 2, applied: ["id-1", "id-2"], state: ["once", "twice"] });
});

test("a snapshot keeps the newest version, and the last hundred ids", async () => {
  const published = [];
  const client = {
    publish: async (channel, name, data) => (published.push(JSON.parse(data)), { ok: true, position: `P${published.length}` }),
    last: async () => ({ status: "empty" }),
  };
  const board = openSnapshot({ client, channel: "c", name: "n", empty: () => 0, seal: async (value) => JSON.stringify(value), open: async (text) => JSON.parse(text) });
  for (let i = 0; i < 130; i++) await board.change(`${i}`, (count) => count + 1);
  assert.equal(published.at(-1).applied.length, 100);
  assert.equal(board.state, 130);
  assert.equal(await board.receive(JSON.stringify({ version: 129, applied: [], state: 7 })), null, "stale");
  assert.equal(await board.receive(JSON.stringify({ version: 131, applied: [], state: 7 })), 7);
  for (const bad of [{}, { version: 0, applied: [] }, { version: 1e300, applied: [] }, { version: 200 }]) {
    await assert.rejects(board.receive(JSON.stringify(bad)), TypeError);
  }
  assert.equal(await board.writeBack(), true);
  assert.equal(published.at(-1).version, 131);
  await assert.rejects(board.change("bad", () => { throw new Error("refused by the page"); }), /refused by the page/);
  await board.change("good", (count) => count + 1);
  assert.equal(board.state, 8, "a failed change does not stop the next one");
});

test("ids are seen once, the oldest are forgotten", () => {
  const seen = new SeenIds(2);
  assert.deepEqual(["a", "a", "b", "c", "b", "a"].map((id) => seen.add(id)), [true, false, true, true, false, true]);
});

test("a rate refills with time, for each address alone", () => {
  let now = 0;
  const wait = rateLimit(60, () => now);
  for (let i = 0; i < 60; i++) assert.equal(wait("a"), 0);
  assert.equal(wait("a"), 1);
  assert.equal(wait("b"), 0);
  now = 1000;
  assert.equal(wait("a"), 0);
  assert.equal(wait("a"), 1);
  // A clock that is set back.
  now = -86_400_000;
  assert.equal(wait("a"), 1);
});

test("TOML has tables, inline tables in lists, and escapes", () => {
  const text = toToml({ listen: "a\"b\\\n", apps: { "10 1": { key: "k", list: [{ a: { b: 1 } }], gone: undefined, limits: { x: true } } } });
  assert.equal(text, 'listen = "a\\"b\\\\\\n"\n\n[apps]\n\n[apps."10 1"]\nkey = "k"\nlist = [{ a = { b = 1 } }]\n\n[apps."10 1".limits]\nx = true\n');
  assert.equal(toToml({ a: "\x7f" }), 'a = "\\u007f"\n');
  for (const bad of [null, NaN, Infinity]) assert.throws(() => toToml({ a: bad }), TypeError);
});
