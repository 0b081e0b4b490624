// Messages, receipts and signs of typing, sealed under an epoch. The kind and the signature are
// inside: a reaction looks like any other row.

import { openJson, sealJson, sign, verify } from "../../lib/crypto.js";
import { Broken } from "./chain.js";

const PURPOSE = "messenger message";
const KINDS = ["text", "react", "title"];

const outside = ({ room, epoch, device, number, id }) => [room, epoch, device, number, id];
const signed = (head, kind, sent, body) => [...outside(head), kind, sent, JSON.stringify(body)];

/** `head`: `{ room, epoch, device, number, id }`. Resolves with `iv.ct`. */
export async function sealMessage(key, signKey, head, { kind, body, sent }) {
  const signature = await sign(signKey, PURPOSE, signed(head, kind, sent, body));
  return sealJson(key, { kind, sent, body, signature }, outside(head), { pad: "message" });
}

/** Throws `DoesNotOpen` or `Broken`. */
export async function openMessage(key, publicKey, head, sealed) {
  // A member can seal anything, also `null`.
  const { kind, sent, body, signature } = (await openJson(key, sealed, outside(head))) ?? {};
  if (!(await verify(publicKey, PURPOSE, signed(head, kind, sent, body), signature))) {
    throw new Broken("signature", "This message was not signed by the device that it names.");
  }
  if (!KINDS.includes(kind) || !isBody(kind, body)) throw new Broken("kind", "This page does not know this kind of message.");
  return { kind, sent, body };
}

const MAX_TEXT = 4000;
const isText = (value, most = MAX_TEXT) => typeof value === "string" && value.length > 0 && value.length <= most;

function isBody(kind, body) {
  if (typeof body !== "object" || body === null) return false;
  if (kind === "text") return isText(body.text) && (body.reply === undefined || isText(body.reply, 32));
  if (kind === "react") return isText(body.to, 32) && isText(body.sign, 16) && typeof body.isOn === "boolean";
  return isText(body.title, 80);
}

/** Each device numbers its messages of an epoch from 1. */
export class Numbers {
  #last = new Map();

  /** The count of messages that are missing in front of this one; throws for one seen before. */
  take({ epoch, device, number }) {
    const key = `${epoch} ${device}`;
    const last = this.#last.get(key) ?? 0;
    if (!Number.isSafeInteger(number) || number <= last) throw new Broken("replay", "This message came a second time, and was refused.");
    this.#last.set(key, number);
    return number - last - 1;
  }

  last(epoch, device) {
    return this.#last.get(`${epoch} ${device}`) ?? 0;
  }
}

/* ---- deleting ----------------------------------------------------------------------------- */

const DELETE = "messenger delete";

export const signDeletion = (me, room, id) => sign(me.sign.privateKey, DELETE, [room, id, me.id]);
export const isDeletion = (publicKey, { room, id, device, signature }) => verify(publicKey, DELETE, [room, id, device], signature);

/* ---- receipts and typing ------------------------------------------------------------------ */

const MARK = "messenger mark";
const markContext = ({ room, epoch, device }) => [room, epoch, device];

export async function sealMark(key, signKey, head, row) {
  const signature = await sign(signKey, MARK, [...markContext(head), row]);
  return sealJson(key, { row, signature }, markContext(head), { pad: "message" });
}

/** Resolves with the row up to which this member has read. */
export async function openMark(key, publicKey, head, sealed) {
  const { row, signature } = await openJson(key, sealed, markContext(head));
  const isGood = Number.isSafeInteger(row) && (await verify(publicKey, MARK, [...markContext(head), row], signature));
  if (!isGood) throw new Broken("signature", "A receipt was not signed by the device that it names.");
  return row;
}

const typingContext = (room, epoch, user) => ["typing", room, epoch, user];

export const sealTyping = (key, room, epoch, user, until) =>
  sealJson(key, { until }, typingContext(room, epoch, user), { pad: "message" });
export const openTyping = (key, room, epoch, user, sealed) => openJson(key, sealed, typingContext(room, epoch, user));
