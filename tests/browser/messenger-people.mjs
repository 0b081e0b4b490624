// People, devices and rooms of the messenger without a browser or a backend, for its tests.

import { randomId } from "../../examples/lib/crypto.js";
import {
  activeDevices, addEntry, newDevice, publicPart, readDeviceLog, rootEntry, userOf,
} from "../../examples/messenger/public/devices.js";
import { epochKeys, makeEpoch } from "../../examples/messenger/public/epochs.js";
import { applyMembership, membershipEntry, newMembership } from "../../examples/messenger/public/membership.js";
import { sealMessage } from "../../examples/messenger/public/messages.js";
import { Room } from "../../examples/messenger/public/room.js";

export async function person(user) {
  const device = await newDevice(user, "Laptop");
  const log = [await rootEntry(device, user[0].toUpperCase() + user.slice(1))];
  return { user, device, log, chain: await readDeviceLog(user, log) };
}

export async function withSecondDevice(owner, name = "Phone") {
  const device = await newDevice(owner.user, name);
  const log = [...owner.log, await addEntry(owner.device, owner.chain, await publicPart(device))];
  return { ...owner, log, chain: await readDeviceLog(owner.user, log), second: device };
}

export const finder = (...people) => async (id, root) => {
  const owner = people.find(({ chain }) => chain.user === userOf(id) && chain.root === root);
  return owner?.chain.devices.get(id) ?? null;
};

export async function roomOf(ann, ...others) {
  const room = randomId();
  const members = [ann, ...others].map(({ user, chain }) => ({ user, root: chain.root }));
  const empty = newMembership(room);
  const entry = await membershipEntry(ann.device, empty, { op: "create", kind: "room", members });
  const deviceOf = finder(ann, ...others);
  const { state } = await applyMembership(empty, entry, deviceOf);
  const devices = [ann, ...others].flatMap(({ chain }) => activeDevices(chain));
  const made = await makeEpoch({ room, n: 1, head: state.head.hash, me: ann.device, devices });
  return { room, state, entry, devices, deviceOf, ...made };
}

/** A room of ann, with two devices, and bob, and what gives it rows. */
export async function fed() {
  const ann = await withSecondDevice(await person("ann"));
  const bob = await person("bob");
  const made = await roomOf(ann, bob);
  const kept = new Map();
  const store = {
    get: async (id) => kept.get(id), put: async (id, value) => kept.set(id, value),
    entries: async (prefix) => [...kept].filter(([id]) => id.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
  };
  const everybody = [ann, bob];
  const people = {
    deviceOf: (id, root) => finder(...everybody)(id, root),
    devicesFor: async ({ members }) => ({ devices: everybody.filter(({ user }) => members.has(user)).flatMap(({ chain }) => activeDevices(chain)) }),
  };
  const arrived = [];
  const context = { me: ann.device, people, store, now: () => 1, onMessage: (room, item) => arrived.push(item.text) };
  const room = new Room(made.room, context);
  let row = 0;
  const feed = async (...bodies) => {
    const rows = bodies.map(([type, body, id]) => ({ row: ++row, type, at: 1, id, body }));
    await room.apply(rows, { last: row });
    return room.timeline.items.at(-1);
  };
  await feed(["entry", made.entry], ["epoch", made.epoch]);
  const keys = await epochKeys(made.secret, made.room, 1);
  const message = async (device, number, text, epoch = 1, epochsKeys = keys) => {
    const id = randomId();
    const head = { room: made.room, epoch, device: device.id, number, id };
    return ["message", { epoch, device: device.id, number, sealed: await sealMessage(epochsKeys.message, device.sign.privateKey, head, { kind: "text", body: { text }, sent: 1 }) }, id];
  };
  return { ann, bob, room, made, keys, feed, message, arrived, everybody, context };
}
