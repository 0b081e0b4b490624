// An epoch is a key of a room: 32 random bytes, sealed to each device of each member, and signed.
// A new one follows every change of members or devices, and a day. So a device that was removed
// opens nothing that is written later, and a new one nothing that was written before.

import {
  agree, exportPublic, importAgreementKey, importSecret, newAgreementPair, openBytes, randomBytes, sealBytes,
  sealingKey, sign, verify,
} from "../../lib/crypto.js";
import { Broken } from "./chain.js";
import { userOf } from "./devices.js";

const PURPOSE = "messenger epoch";
export const MAX_AGE_MS = 24 * 3_600_000;

const signed = ({ room, n, head, by, boxes }) => [room, n, head, by, boxes];

const boxContext = (room, n, from, to, ephemeral) => [room, n, from, to, ephemeral];

async function boxKey(privateKey, publicKey, context) {
  // Both parts of the shared secret and the parties are bound by the context.
  return sealingKey(await importSecret(await agree(privateKey, publicKey)), "messenger epoch box", { context });
}

/** `devices`: everybody's active devices. Resolves with `{ epoch, secret }`. */
export async function makeEpoch({ room, n, head, me, devices }) {
  const bytes = randomBytes(32);
  const pair = await newAgreementPair();
  const ephemeral = await exportPublic(pair.publicKey);
  const boxes = {};
  for (const device of devices) {
    const context = boxContext(room, n, me.id, device.id, ephemeral);
    boxes[device.id] = await sealBytes(await boxKey(pair.privateKey, device.agreeKey, context), bytes, context);
  }
  const epoch = { room, n, head, by: me.id, boxes: JSON.stringify({ ephemeral, boxes }) };
  const signature = await sign(me.sign.privateKey, PURPOSE, signed(epoch));
  return { epoch: { ...epoch, signature }, secret: await importSecret(bytes) };
}

export function boxesOf(epoch) {
  try {
    const { ephemeral, boxes } = JSON.parse(epoch.boxes);
    if (typeof ephemeral === "string" && typeof boxes === "object" && boxes !== null) return { ephemeral, boxes };
  } catch {
    // As below.
  }
  throw new Broken("form", "A key of this room cannot be read.");
}

/**
 * Resolves with the ids of the devices that it is sealed to. `previous` has those of the epoch
 * before; `deviceOf(id, root)` finds a device.
 */
export async function checkEpoch({ epoch, room, last, previous, membership, deviceOf }) {
  if (epoch.room !== room || epoch.n !== last + 1) throw new Broken("order", "A key of this room is not the next one.");
  if (epoch.head !== membership.head.hash) throw new Broken("members", "A key of this room was made for other members.");
  const root = membership.members.get(userOf(epoch.by))?.root;
  const signer = root && (await deviceOf(epoch.by, root));
  if (!signer || (previous && !previous.has(epoch.by))) throw new Broken("signer", "A key of this room comes from a device outside it.");
  if (!(await verify(signer.signKey, PURPOSE, signed(epoch), epoch.signature))) {
    throw new Broken("signature", "A key of this room was not signed by the device that it names.");
  }
  const ids = Object.keys(boxesOf(epoch).boxes);
  for (const id of ids) {
    const member = membership.members.get(userOf(id));
    if (!member || !(await deviceOf(id, member.root))) {
      throw new Broken("foreign", "A key of this room was also given to a device that nobody approved.");
    }
  }
  return new Set(ids);
}

/** Resolves with the secret, or `null` if it was not sealed to this device. */
export async function openEpoch(epoch, me) {
  const { ephemeral, boxes } = boxesOf(epoch);
  if (!Object.hasOwn(boxes, me.id)) return null;
  const context = boxContext(epoch.room, epoch.n, epoch.by, me.id, ephemeral);
  const key = await boxKey(me.agree.privateKey, await importAgreementKey(ephemeral), context);
  return importSecret(await openBytes(key, boxes[me.id], context));
}

/** Why the next message needs another key: "members", "devices", "day", or "" if it does not. */
export function whyRenew({ epoch, deviceIds, membership, devices, now }) {
  if (!epoch || epoch.head !== membership.head.hash) return "members";
  if (devices.length !== deviceIds.size || devices.some(({ id }) => !deviceIds.has(id))) return "devices";
  return now - epoch.at >= MAX_AGE_MS ? "day" : "";
}

/** The keys of an epoch, each for one purpose. */
export async function epochKeys(secret, room, n) {
  const key = (purpose) => sealingKey(secret, `messenger ${purpose}`, { context: [room, n] });
  return { message: await key("message"), mark: await key("mark"), typing: await key("typing") };
}
