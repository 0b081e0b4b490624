// The messenger without a browser: devices, members, keys and messages, and what a dishonest backend
// tries; then its accounts. WebCrypto is Node's.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { randomId, sealingKey, importSecret } from "../../examples/lib/crypto.js";
import { Broken, START } from "../../examples/messenger/public/chain.js";
import {
  activeDevices, addEntry, comparePin, newDevice, pinOf, publicPart, readDeviceLog, removeEntry,
} from "../../examples/messenger/public/devices.js";
import { boxesOf, checkEpoch, epochKeys, makeEpoch, MAX_AGE_MS, openEpoch, whyRenew } from "../../examples/messenger/public/epochs.js";
import { applyMembership, membershipEntry } from "../../examples/messenger/public/membership.js";
import {
  isDeletion, Numbers, openMark, openMessage, openTyping, sealMark, sealMessage, sealTyping, signDeletion,
} from "../../examples/messenger/public/messages.js";
import { Room } from "../../examples/messenger/public/room.js";
import { memberLine, readers, Timeline } from "../../examples/messenger/public/timeline.js";
import { fed, finder, person, roomOf, withSecondDevice } from "./messenger-people.mjs";

const breaks = (code) => (error) => error instanceof Broken && error.code === code;

describe("devices", () => {
  test("a device counts once an older one of the same person has signed it", async () => {
    const ann = await withSecondDevice(await person("ann"));
    assert.deepEqual(activeDevices(ann.chain).map(({ name }) => name), ["Laptop", "Phone"]);
    const mallory = await person("mallory");
    const forged = await addEntry({ ...mallory.device, user: "ann" }, ann.chain, await publicPart(await newDevice("ann", "Spy")));
    await assert.rejects(readDeviceLog("ann", [...ann.log, forged]), breaks("signer"));
    await assert.rejects(readDeviceLog("ann", [...ann.log, { ...forged, by: ann.device.id }]), breaks("signature"));
  });

  test("a removed device signs nothing more", async () => {
    const ann = await withSecondDevice(await person("ann"));
    const removal = await removeEntry(ann.device, ann.chain, ann.second.id);
    const after = await readDeviceLog("ann", [...ann.log, removal]);
    assert.equal(activeDevices(after).length, 1);
    const late = await addEntry(ann.second, after, await publicPart(await newDevice("ann", "Third")));
    await assert.rejects(readDeviceLog("ann", [...ann.log, removal, late]), breaks("signer"));
  });

  test("entries cannot be dropped, swapped or altered", async () => {
    const ann = await withSecondDevice(await person("ann"));
    await assert.rejects(readDeviceLog("ann", ann.log.slice(1)), breaks("order"));
    await assert.rejects(readDeviceLog("ann", [ann.log[0], ann.log[0]]), breaks("order"));
    const renamed = { ...ann.log[0], body: ann.log[0].body.replace("Ann", "Eve") };
    await assert.rejects(readDeviceLog("ann", [renamed]), breaks("signature"));
    // A second entry that is good by itself, under a third one that was made for another.
    const first = ann.log.slice(0, 1);
    const other = await withSecondDevice({ ...ann, log: first, chain: await readDeviceLog("ann", first) }, "Tablet");
    const third = await addEntry(ann.device, ann.chain, await publicPart(await newDevice("ann", "Third")));
    assert.equal((await readDeviceLog("ann", [...ann.log, third])).devices.size, 3);
    await assert.rejects(readDeviceLog("ann", [...other.log, third]), breaks("order"));
    await assert.rejects(readDeviceLog("ann", []), breaks("empty"));
    await assert.rejects(readDeviceLog("bob", ann.log), breaks("form"));
  });

  test("a browser remembers the first device, and the entries it has seen", async () => {
    const first = await person("ann");
    const ann = await withSecondDevice(first);
    const [early, late] = [pinOf(first.chain), pinOf(ann.chain)];
    assert.equal(comparePin(null, first.chain), "new");
    assert.equal(comparePin(early, first.chain), "same");
    assert.equal(comparePin(early, ann.chain), "longer");
    assert.equal(comparePin(late, first.chain), "older");
    assert.equal(comparePin(early, (await person("ann")).chain), "changed");
    assert.equal(comparePin(late, (await withSecondDevice(first)).chain), "changed");
  });
});

describe("members and keys", () => {
  test("only a member changes the members", async () => {
    const [ann, bob, eve] = [await person("ann"), await person("bob"), await person("eve")];
    const { state } = await roomOf(ann, bob);
    const deviceOf = finder(ann, bob, eve);
    const body = { op: "add", user: "eve", root: eve.chain.root };
    await assert.rejects(applyMembership(state, await membershipEntry(eve.device, state, body), deviceOf), breaks("signer"));
    const added = await applyMembership(state, await membershipEntry(bob.device, state, body), deviceOf);
    assert.deepEqual([...added.state.members.keys()], ["ann", "bob", "eve"]);
    assert.equal(state.members.size, 2);
    const again = await membershipEntry(bob.device, added.state, body);
    await assert.rejects(applyMembership(added.state, again, deviceOf), breaks("form"));
  });

  test("a changed first device is another person to the room", async () => {
    const [ann, bob] = [await person("ann"), await person("bob")];
    const { state } = await roomOf(ann, bob);
    const swapped = await person("bob");
    const entry = await membershipEntry(swapped.device, state, { op: "remove", user: "ann" });
    await assert.rejects(applyMembership(state, entry, finder(ann, swapped)), breaks("signer"));
  });

  test("an epoch opens for each device of each member, and for no other", async () => {
    const [ann, bob, eve] = [await withSecondDevice(await person("ann")), await person("bob"), await person("eve")];
    const { room, state, epoch, deviceOf } = await roomOf(ann, bob);
    const ids = await checkEpoch({ epoch, room, last: 0, previous: null, membership: state, deviceOf });
    assert.equal(ids.size, 3);
    for (const device of [ann.device, ann.second, bob.device]) assert.ok(await openEpoch(epoch, device));
    assert.equal(await openEpoch(epoch, eve.device), null);
    const stolen = { ...eve.device, id: bob.device.id };
    await assert.rejects(openEpoch(epoch, stolen));
  });

  test("a backend that adds its own device is noticed", async () => {
    const [ann, bob, spy] = [await person("ann"), await person("bob"), await person("bob")];
    const { room, state, deviceOf } = await roomOf(ann, bob);
    const head = state.head.hash;
    const check = (epoch) => checkEpoch({ epoch, room, last: 0, previous: null, membership: state, deviceOf });
    const foreign = await makeEpoch({ room, n: 1, head, me: ann.device, devices: [...activeDevices(ann.chain), ...activeDevices(spy.chain)] });
    await assert.rejects(check(foreign.epoch), breaks("foreign"));
    const { epoch } = await makeEpoch({ room, n: 1, head, me: ann.device, devices: activeDevices(ann.chain) });
    const swapped = { ...epoch, boxes: (await makeEpoch({ room, n: 1, head, me: bob.device, devices: activeDevices(bob.chain) })).epoch.boxes };
    await assert.rejects(check(swapped), breaks("signature"));
    await assert.rejects(check({ ...epoch, by: bob.device.id }), breaks("signature"));
    await assert.rejects(check({ ...epoch, n: 2 }), breaks("order"));
    await assert.rejects(check({ ...epoch, head: START.hash }), breaks("members"));
  });

  test("who was removed is in no later epoch, and makes none", async () => {
    const [ann, bob] = [await person("ann"), await person("bob")];
    const { room, state, epoch, deviceOf } = await roomOf(ann, bob);
    const previous = new Set(Object.keys(boxesOf(epoch).boxes));
    const { state: after } = await applyMembership(state, await membershipEntry(ann.device, state, { op: "remove", user: "bob" }), deviceOf);
    const next = await makeEpoch({ room, n: 2, head: after.head.hash, me: ann.device, devices: activeDevices(ann.chain) });
    assert.equal((await checkEpoch({ epoch: next.epoch, room, last: 1, previous, membership: after, deviceOf })).size, 1);
    assert.equal(await openEpoch(next.epoch, bob.device), null);
    const forged = await makeEpoch({ room, n: 2, head: after.head.hash, me: bob.device, devices: activeDevices(bob.chain) });
    await assert.rejects(checkEpoch({ epoch: forged.epoch, room, last: 1, previous, membership: after, deviceOf }), breaks("signer"));
  });

  test("a device that was not in the epoch before makes none", async () => {
    const ann = await person("ann");
    const { room, state, epoch } = await roomOf(ann);
    const two = await withSecondDevice(ann);
    const forged = await makeEpoch({ room, n: 2, head: state.head.hash, me: two.second, devices: activeDevices(two.chain) });
    const previous = new Set(Object.keys(boxesOf(epoch).boxes));
    await assert.rejects(checkEpoch({ epoch: forged.epoch, room, last: 1, previous, membership: state, deviceOf: finder(two) }), breaks("signer"));
  });

  test("a key is renewed for members, devices and after a day", async () => {
    const ann = await person("ann");
    const { state, devices, epoch } = await roomOf(ann);
    const known = { epoch: { ...epoch, at: 1000 }, deviceIds: new Set([ann.device.id]), membership: state, devices, now: 1000 };
    assert.equal(whyRenew(known), "");
    assert.equal(whyRenew({ ...known, now: 1000 + MAX_AGE_MS }), "day");
    assert.equal(whyRenew({ ...known, devices: activeDevices((await withSecondDevice(ann)).chain) }), "devices");
    assert.equal(whyRenew({ ...known, membership: { ...state, head: { n: 2, hash: "x" } } }), "members");
    assert.equal(whyRenew({ ...known, epoch: null }), "members");
  });
});

describe("messages", () => {
  async function talk() {
    const [ann, bob] = [await person("ann"), await person("bob")];
    const made = await roomOf(ann, bob);
    const keys = await epochKeys(made.secret, made.room, 1);
    const bobs = await epochKeys(await openEpoch(made.epoch, bob.device), made.room, 1);
    return { ann, bob, keys, bobs, ...made };
  }

  test("room, epoch, device, number and id decide whether a message opens", async () => {
    const { ann, bob, room, keys, bobs } = await talk();
    const head = { room, epoch: 1, device: ann.device.id, number: 1, id: randomId() };
    const sealed = await sealMessage(keys.message, ann.device.sign.privateKey, head, { kind: "text", body: { text: "Hello" }, sent: 5 });
    const opened = await openMessage(bobs.message, ann.device.sign.publicKey, head, sealed);
    assert.deepEqual(opened, { kind: "text", sent: 5, body: { text: "Hello" } });
    for (const [field, value] of Object.entries({ room: randomId(), epoch: 2, device: bob.device.id, number: 2, id: randomId() })) {
      await assert.rejects(openMessage(bobs.message, ann.device.sign.publicKey, { ...head, [field]: value }, sealed), { name: "DoesNotOpen" }, field);
    }
    const flipped = sealed.slice(0, -2) + (sealed.at(-2) === "A" ? "B" : "A") + sealed.at(-1);
    await assert.rejects(openMessage(bobs.message, ann.device.sign.publicKey, head, flipped), { name: "DoesNotOpen" });
  });

  test("a member cannot write in the name of another", async () => {
    const { ann, bob, room, keys } = await talk();
    const head = { room, epoch: 1, device: ann.device.id, number: 1, id: randomId() };
    const forged = await sealMessage(keys.message, bob.device.sign.privateKey, head, { kind: "text", body: { text: "I owe Bob" }, sent: 5 });
    await assert.rejects(openMessage(keys.message, ann.device.sign.publicKey, head, forged), breaks("signature"));
  });

  test("kinds and lengths do not show in sizes", async () => {
    const { ann, room, keys } = await talk();
    const size = async (kind, body) => {
      const head = { room, epoch: 1, device: ann.device.id, number: 1, id: randomId() };
      return (await sealMessage(keys.message, ann.device.sign.privateKey, head, { kind, body, sent: 1_700_000_000_000 })).length;
    };
    const sizes = await Promise.all([size("text", { text: "a" }), size("text", { text: "a longer one" }), size("react", { to: randomId(), sign: "heart", isOn: true })]);
    assert.equal(new Set(sizes).size, 1, sizes.join());
  });

  test("numbers: a repeated one is refused, missing ones are counted", () => {
    const numbers = new Numbers();
    assert.equal(numbers.take({ epoch: 1, device: "a", number: 1 }), 0);
    assert.equal(numbers.take({ epoch: 1, device: "a", number: 4 }), 2);
    assert.throws(() => numbers.take({ epoch: 1, device: "a", number: 4 }), breaks("replay"));
    assert.throws(() => numbers.take({ epoch: 1, device: "a", number: 2 }), breaks("replay"));
    assert.equal(numbers.take({ epoch: 2, device: "a", number: 1 }), 0);
    assert.equal(numbers.last(1, "a"), 4);
  });

  test("receipts, deletions and typing open for members only", async () => {
    const { ann, bob, room, keys, bobs } = await talk();
    const head = { room, epoch: 1, device: ann.device.id };
    const mark = await sealMark(keys.mark, ann.device.sign.privateKey, head, 12);
    assert.equal(await openMark(bobs.mark, ann.device.sign.publicKey, head, mark), 12);
    await assert.rejects(openMark(bobs.mark, bob.device.sign.publicKey, head, mark), breaks("signature"));
    const deletion = { room, id: randomId(), device: ann.device.id };
    deletion.signature = await signDeletion(ann.device, room, deletion.id);
    assert.equal(await isDeletion(ann.device.sign.publicKey, deletion), true);
    assert.equal(await isDeletion(ann.device.sign.publicKey, { ...deletion, id: randomId() }), false);
    const typing = await sealTyping(keys.typing, room, 1, "ann", 5);
    assert.deepEqual(await openTyping(bobs.typing, room, 1, "ann", typing), { until: 5 });
    await assert.rejects(openTyping(await sealingKey(await importSecret(new Uint8Array(32)), "x"), room, 1, "ann", typing));
  });
});

describe("a room that a dishonest backend feeds", () => {
  test("takes messages in order, and shows missing ones", async () => {
    const { bob, feed, message, arrived } = await fed();
    await feed(await message(bob.device, 1, "one"));
    await feed(await message(bob.device, 4, "four"));
    assert.deepEqual(arrived, ["one", "four"]);
  });

  test("refuses a message under a key that was replaced, also of a removed member", async () => {
    const { ann, bob, room, feed, message, arrived } = await fed();
    const { entry, epoch } = await room.proposal({ op: "remove", user: "bob" });
    await feed(["entry", entry], ["epoch", epoch]);
    assert.equal((await feed(await message(bob.device, 1, "I am still here"))).type, "broken");
    assert.equal((await feed(await message(ann.second, 1, "under the old key"))).type, "broken");
    assert.deepEqual(arrived, []);
    assert.equal(room.whyRenew && (await room.whyRenew()), "");
  });

  test("refuses a change of members by a device without the key", async () => {
    const { ann, room, feed, everybody } = await fed();
    const third = await newDevice("ann", "Third");
    const log = [...ann.log, await addEntry(ann.device, ann.chain, await publicPart(third))];
    everybody[0] = { ...ann, log, chain: await readDeviceLog("ann", log) };
    const entry = await membershipEntry(third, room.membership, { op: "remove", user: "bob" });
    assert.equal((await feed(["entry", entry])).type, "broken");
    assert.deepEqual([...room.membership.members.keys()], ["ann", "bob"]);
  });

  test("a message that was taken from the database is not called deleted by its author", async () => {
    const { bob, room, made, feed, message } = await fed();
    const [type, body, id] = await message(bob.device, 1, "gone");
    const item = await feed([type, { ...body, sealed: null }, id]);
    assert.deepEqual([item.isDeleted, item.isSigned], [true, false]);
    const deletion = { id, device: bob.device.id, signature: await signDeletion(bob.device, made.room, id) };
    await feed(["deletion", deletion]);
    assert.equal(item.isSigned, true);
    assert.equal(room.timeline.items.some(({ type: kind }) => kind === "broken"), false);
  });

  test("a live frame that does not open takes no other's place", async () => {
    const { bob, room, made, feed, message } = await fed();
    const [type, body, id] = await message(bob.device, 1, "real");
    const forged = { row: 3, type, at: 1, id, body: { ...body, number: 2 } };
    assert.equal(await room.applyLive(forged), false);
    assert.equal(room.last, 2);
    await feed([type, body, id]);
    assert.equal(room.timeline.items.at(-1).text, "real");
    assert.equal(room.id, made.room);
  });

  test("what was kept opens again from storage", async () => {
    const { bob, room, feed, message, context } = await fed();
    await feed(await message(bob.device, 1, "kept"));
    const again = new Room(room.id, context);
    await again.load();
    assert.equal(again.last, 3);
    assert.equal(again.timeline.items.at(-1).text, "kept");
    assert.deepEqual([...again.membership.members.keys()], ["ann", "bob"]);
  });
});

describe("timeline", () => {
  const text = (row, user, words, more = {}) => ({ row, at: row, id: `m${row}`, user, kind: "text", body: { text: words, ...more }, sent: row });

  test("reactions toggle, also in front of their message", () => {
    const line = new Timeline();
    line.add({ row: 1, id: "r", user: "bob", kind: "react", body: { to: "m2", sign: "thumb", isOn: true } });
    line.add(text(2, "ann", "hello"));
    assert.deepEqual([...line.find("m2").reactions.get("thumb")], ["bob"]);
    line.add({ row: 3, id: "s", user: "bob", kind: "react", body: { to: "m2", sign: "thumb", isOn: false } });
    assert.equal(line.find("m2").reactions.size, 0);
  });

  test("only the author deletes, and nothing of the text stays", () => {
    const line = new Timeline();
    line.add(text(1, "ann", "a secret"));
    line.delete("m1", "bob");
    assert.equal(line.find("m1").isDeleted, false);
    line.delete("m1", "ann");
    assert.equal(JSON.stringify(line.items).includes("secret"), false);
    line.delete("m2", "ann");
    line.add(text(2, "ann", "late"));
    assert.equal(line.find("m2").isDeleted, true);
  });

  test("search finds all words, in any order and case", () => {
    const line = new Timeline();
    line.add(text(1, "ann", "Frost on Tuesday"));
    line.add(text(2, "bob", "Tuesday it is"));
    assert.deepEqual(line.search("tuesday FROST").map(({ row }) => row), [1]);
    assert.deepEqual(line.search(" ").length, 0);
    assert.equal(line.unread(0, "ann"), 1);
    assert.equal(line.since, 1);
  });

  test("changes of members are sentences", () => {
    const name = (user, isSubject) => (user === "me" ? (isSubject ? "You" : "you") : user);
    assert.equal(memberLine({ op: "create", by: "me", users: ["ann", "bob"] }, name), "You made this room with ann and bob");
    assert.equal(memberLine({ op: "add", by: "ann", users: ["me"] }, name), "ann added you");
    assert.equal(memberLine({ op: "leave", by: "ann", users: ["ann"] }, name), "ann left");
    assert.deepEqual(readers(new Map([["ann", 5], ["bob", 3], ["me", 9]]), 4, "me"), ["ann"]);
  });
});
