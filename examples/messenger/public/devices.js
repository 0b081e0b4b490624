// The devices of a person: a signed log that begins with the first device. Each later one is signed
// by an older one. Nobody seals to a device outside this chain, whatever the backend lists.

import {
  exportPublic, importAgreementKey, importSigningKey, newAgreementPair, newSigningPair, randomBytes, toHex,
} from "../../lib/crypto.js";
import { bodyOf, Broken, checkEntry, makeEntry, START } from "./chain.js";

const PURPOSE = "messenger device";
const NAME = /^.{1,40}$/u;
const isName = (name) => typeof name === "string" && NAME.test(name);

/** `mara.3fa9c2d1e0b4a596`: the person is part of the id. */
export const userOf = (deviceId) => String(deviceId).split(".")[0];

export async function newDevice(user, name) {
  const [agree, sign] = [await newAgreementPair(), await newSigningPair()];
  return { id: `${user}.${toHex(randomBytes(8))}`, user, name, agree, sign };
}

/** What others get to see of a device. */
export async function publicPart({ id, name, agree, sign }) {
  return { id, name, agree: await exportPublic(agree.publicKey), sign: await exportPublic(sign.publicKey) };
}

/** Compared aloud when a second device asks to be let in. */
export const deviceKeyBytes = (device) => `${device.agree}${device.sign}`;

export async function rootEntry(device, name) {
  const body = { op: "root", name, device: await publicPart(device) };
  return makeEntry({ purpose: PURPOSE, log: device.user, head: START, body, by: device.id, signKey: device.sign.privateKey });
}

export const addEntry = (me, chain, device) => entryBy(me, chain, { op: "add", device });
export const removeEntry = (me, chain, id) => entryBy(me, chain, { op: "remove", device: id });

const entryBy = (me, chain, body) =>
  makeEntry({ purpose: PURPOSE, log: me.user, head: chain.head, body, by: me.id, signKey: me.sign.privateKey });

/** Resolves with `{ user, name, root, head, hashes, devices }`; throws `Broken`. */
export async function readDeviceLog(user, entries) {
  const chain = { user, name: user, root: null, head: START, hashes: [START.hash], devices: new Map() };
  for (const entry of entries) await apply(chain, entry);
  if (!chain.root) throw new Broken("empty", "This person has no device yet.");
  return chain;
}

async function apply(chain, entry) {
  const body = bodyOf(entry);
  const isRoot = body.op === "root";
  if (isRoot !== (chain.root === null)) throw new Broken("order", "A list of devices begins with one device, and only once.");
  const added = isRoot || body.op === "add" ? await imported(chain.user, body.device) : null;
  const signer = isRoot ? added : chain.devices.get(entry.by);
  if (!signer?.isActive || entry.by !== signer.id) throw new Broken("signer", "A device was signed by one that may not.");
  chain.head = await checkEntry({ purpose: PURPOSE, log: chain.user, head: chain.head, entry, publicKey: signer.signKey });
  chain.hashes.push(chain.head.hash);
  if (added && chain.devices.has(added.id)) throw new Broken("order", "A device is listed twice.");
  if (isRoot) {
    chain.root = added.sign;
    chain.name = isName(body.name) ? body.name : chain.user;
  }
  if (added) return chain.devices.set(added.id, added);
  const removed = chain.devices.get(body.device);
  if (body.op !== "remove" || !removed?.isActive) throw new Broken("form", "A list of devices has an entry that cannot be read.");
  removed.isActive = false;
}

async function imported(user, device) {
  const { id, name, agree, sign } = device ?? {};
  if (typeof id !== "string" || !/^[a-z0-9_]+\.[0-9a-f]{16}$/.test(id) || userOf(id) !== user || !isName(name)) {
    throw new Broken("form", "A device has no valid id.");
  }
  try {
    const [agreeKey, signKey] = [await importAgreementKey(agree), await importSigningKey(sign)];
    return { id, name, agree, sign, agreeKey, signKey, isActive: true };
  } catch {
    throw new Broken("form", "A device has no valid keys.");
  }
}

export const activeDevices = (chain) => [...chain.devices.values()].filter(({ isActive }) => isActive);

/**
 * Compares with what this browser has seen before: "new", "same", "longer", "changed" (another first
 * device) or "older" (entries were taken back).
 */
export function comparePin(pin, chain) {
  if (!pin) return "new";
  if (pin.root !== chain.root) return "changed";
  if (chain.head.n < pin.n) return "older";
  if (chain.hashes[pin.n] !== pin.hash) return "changed";
  return chain.head.n > pin.n ? "longer" : "same";
}

export const pinOf = (chain, isVerified = false) => ({ root: chain.root, n: chain.head.n, hash: chain.head.hash, isVerified });
