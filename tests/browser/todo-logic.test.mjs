// The parts of examples/todo that need no browser.

import assert from "node:assert/strict";
import { createDecipheriv, createHash, hkdfSync, pbkdf2Sync, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { encodeContext, unpad } from "../../examples/lib/bytes.js";
import { applyAll, applyChange, changes, checkedList, differences, emptyList, inOrder, MAX_ITEMS } from "../../examples/todo/public/changes.js";
import { Dropped, HeadChanged, Locked, makeCodec } from "../../examples/todo/public/codec.js";
import { hasHeadOf, newLock, openFrame, readHead, sealFrame, unlock, WeakHead } from "../../examples/todo/public/envelope.js";
import { md5 } from "../../examples/todo/public/md5.js";

const ANN = { id: "a", name: "Ann" };
const PASSPHRASE = "zebra lantern copper willow";
const whole = (version, ...texts) => ({ version, applied: [], state: applyAll(emptyList(), texts.map((text) => changes.add(text, ANN))) });

describe("changes of a list", () => {
  test("apply once, in any order with others'", () => {
    const add = changes.add(" bread ", ANN);
    const list = applyAll(emptyList(), [add, add]);
    assert.deepEqual(list.items.map(({ text, done }) => [text, done]), [["bread", false]]);
    const checked = applyChange(list, changes.check(add.item.id, true));
    assert.equal(checked.items[0].done, true);
    assert.equal(list.items[0].done, false, "states are not changed in place");
    assert.deepEqual(applyAll(checked, [changes.remove(add.item.id), changes.check(add.item.id, false)]).items, []);
    assert.equal(applyChange(list, { kind: "unknown" }), list);
  });

  test("bounds and order", () => {
    const many = applyAll(emptyList(), Array.from({ length: MAX_ITEMS + 5 }, (_, i) => changes.add(`${i}`, ANN)));
    assert.equal(many.items.length, MAX_ITEMS);
    const [a, b] = [{ id: "1", done: true }, { id: "2", done: false }];
    assert.deepEqual(inOrder([a, b]), [b, a]);
    assert.equal(changes.add("x".repeat(999), ANN).item.text.length, 200);
  });

  test("differences are what somebody added or changed", () => {
    const before = { title: "", items: [{ id: "1", text: "a", done: false }, { id: "2", text: "b", done: false }] };
    const after = { title: "", items: [{ id: "3", text: "c", done: false }, { id: "1", text: "a", done: true }] };
    assert.deepEqual(differences(before, after).map(({ id }) => id), ["3", "1"]);
  });

  test("a snapshot of a stranger is taken apart with care", () => {
    for (const bad of [null, {}, { title: 1, items: [] }, { title: "", items: {} }]) assert.throws(() => checkedList(bad), TypeError);
    const list = checkedList({ title: "t".repeat(99), items: [{ id: 1 }, { id: "1", text: "x", done: false }, null] });
    assert.equal(list.title.length, 80);
    assert.deepEqual(list.items.map(({ id }) => id), ["1"]);
  });
});

describe("the seal of a passphrase", () => {
  test("Node.js opens a frame with the same algorithms", async () => {
    const lock = await newLock(7, PASSPHRASE);
    const frame = await sealFrame(lock, whole(3, "bread"));
    assert.match(frame, /^[\w-]{16}\.[\w-]{200,}$/);
    const [iv, ct] = frame.split(".").map((part) => Buffer.from(part, "base64url"));
    const head = ct.subarray(0, 25);
    const [format, version, iterations, salt] = [head[0], head.readUInt32BE(1), head.readUInt32BE(5), head.subarray(9)];
    assert.deepEqual([format, version, iterations, salt.length], [1, 3, 600_000, 16]);
    const secret = pbkdf2Sync(PASSPHRASE, salt, iterations, 32, "sha256");
    const key = Buffer.from(hkdfSync("sha256", secret, new Uint8Array(), encodeContext(["todo list"]), 32));
    const cipher = createDecipheriv("aes-256-gcm", key, iv);
    cipher.setAAD(encodeContext(["todo snapshot", "7", head.toString("hex")]));
    cipher.setAuthTag(ct.subarray(-16));
    const plain = Buffer.concat([cipher.update(ct.subarray(25, -16)), cipher.final()]);
    assert.equal(plain.length % 1024, 0, "its length tells steps of 1 KiB");
    assert.equal(JSON.parse(Buffer.from(unpad(plain)).toString()).state.items[0].text, "bread");
  });

  test("a wrong passphrase, another list, a changed bit: nothing opens", async () => {
    const lock = await newLock(7, PASSPHRASE);
    const frame = await sealFrame(lock, whole(3, "bread"));
    assert.equal((await openFrame(await unlock(7, PASSPHRASE, frame), frame)).version, 3);
    await assert.rejects(unlock(7, `${PASSPHRASE} `, frame), { name: "DoesNotOpen" });
    await assert.rejects(unlock(8, PASSPHRASE, frame), { name: "DoesNotOpen" });
    const [iv, ct] = frame.split(".");
    for (const at of [1, 4, 9, 24, 25, 200]) {
      const bytes = Buffer.from(ct, "base64url");
      bytes[at] ^= 1;
      await assert.rejects(openFrame(lock, `${iv}.${bytes.toString("base64url")}`), { name: "DoesNotOpen" }, `byte ${at}`);
    }
    for (const garbage of ["", "x", "{}", "AAAA.AAAA", `${iv}.!`]) await assert.rejects(openFrame(lock, garbage), { name: "DoesNotOpen" });
  });

  test("fewer rounds or another format are refused before any key is made", async () => {
    const lock = await newLock(7, PASSPHRASE);
    const [iv, ct] = (await sealFrame(lock, whole(1))).split(".");
    const changed = (change) => {
      const bytes = Buffer.from(ct, "base64url");
      change(bytes);
      return `${iv}.${bytes.toString("base64url")}`;
    };
    for (const frame of [changed((b) => b.writeUInt32BE(599_999, 5)), changed((b) => b.writeUInt32BE(0, 5)), changed((b) => (b[0] = 2))]) {
      assert.throws(() => readHead(frame), WeakHead);
      await assert.rejects(unlock(7, PASSPHRASE, frame), WeakHead);
      assert.throws(() => hasHeadOf(lock, frame), WeakHead);
    }
  });
});

describe("codec", () => {
  test("keeps its version when a frame does not open, and stops at another head", async () => {
    const lock = await newLock(7, PASSPHRASE);
    let spoiled = 0;
    const codec = makeCodec({ isLocked: true, lock, onSpoiled: () => (spoiled += 1) });
    const frame = await codec.seal(whole(5, "bread"));
    assert.equal((await codec.open(frame)).version, 5);
    const [iv, ct] = frame.split(".");
    assert.equal((await codec.open(`${iv}.${ct.slice(0, -4)}AAAA`)).version, 5);
    assert.equal(spoiled, 1);
    const other = await sealFrame(await newLock(7, PASSPHRASE), whole(6));
    await assert.rejects(codec.open(other), HeadChanged);
    assert.equal(codec.latest.version, 5);
  });

  test("without the passphrase nothing opens and nothing is sealed", async () => {
    const codec = makeCodec({ isLocked: true, lock: null, onSpoiled: () => {} });
    await assert.rejects(codec.seal(whole(1)), Locked);
    const frame = await sealFrame(await newLock(7, PASSPHRASE), whole(1));
    await assert.rejects(codec.open(frame), Locked);
    await assert.rejects(codec.open("x.y"), { name: "DoesNotOpen" });
  });

  test("where the passphrase was taken off, nothing opens and nothing is sealed without consent", async () => {
    const lock = await newLock(7, PASSPHRASE);
    const codec = makeCodec({ isLocked: false, lock, onSpoiled: () => {} });
    codec.note(whole(4, "bread"));
    await assert.rejects(codec.seal(whole(5, "bread")), Dropped);
    await assert.rejects(codec.open(JSON.stringify(whole(5))), Dropped);
    assert.equal(codec.latest.version, 4);
  });

  test("a version far ahead is no version", async () => {
    const codec = makeCodec({ isLocked: false, lock: null, onSpoiled: () => {} });
    await assert.rejects(codec.open(JSON.stringify(whole(Number.MAX_SAFE_INTEGER))), TypeError);
    await codec.open(JSON.stringify(whole(2, "bread")));
    for (const version of [Number.MAX_SAFE_INTEGER, 2 ** 31, 0, -1, 1.5, "3"]) {
      assert.equal((await codec.open(JSON.stringify(whole(version)))).version, 2, String(version));
    }
    assert.equal((await codec.open(JSON.stringify(whole(1000)))).version, 1000);
  });

  test("an open list takes JSON, and keeps its version at garbage", async () => {
    const codec = makeCodec({ isLocked: false, lock: null, onSpoiled: () => {} });
    await assert.rejects(codec.open("garbage"), SyntaxError);
    await codec.open(await codec.seal(whole(2, "bread")));
    assert.equal((await codec.open("garbage")).version, 2);
    assert.equal((await codec.open('{"version":9,"applied":[],"state":{}}')).version, 2);
  });
});

test("MD5 as of Node.js", () => {
  for (const length of [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 1000]) {
    const bytes = randomBytes(length);
    assert.equal(md5(bytes), createHash("md5").update(bytes).digest("hex"), `${length} bytes`);
  }
});
