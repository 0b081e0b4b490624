// Offer, answer, confirm: three messages after which two browsers share the keys of one session.
//
// Three agreements are mixed: long-term with ephemeral, both ways, and ephemeral with ephemeral.
// So a session needs both long-term keys, and does not open once both ephemeral keys are dropped.
// Every key depends on every field of offer and answer, through the transcript.

import {
  agree, checkMac, concat, encodeContext, exportPublic, fromBase64url, importAgreementKey, importSecret, mac, macKey,
  newAgreementPair, randomBytes, randomId, sealingKey, sha256, toBase64url,
} from "../../lib/crypto.js";

export const VERSION = 1;
const NONCE_BYTES = 32;

/** The long-term key is not the one that this browser has pinned. */
export class UnknownKey extends Error {
  constructor(key) {
    super("This is not the known key.");
    Object.assign(this, { name: "UnknownKey", key });
  }
}

/** The other side does not hold the keys, or a field was altered on the way. */
export class NotProved extends Error {
  constructor() {
    super("The handshake was altered on the way.");
    this.name = "NotProved";
  }
}

/**
 * `own` is `{ id, privateKey, publicText }`; `peer` is `{ id, key }` with the pinned key. `ephemeral`
 * is for `confirmAnswer`, and for nothing else.
 */
export async function makeOffer(own, peer) {
  const pair = await newAgreementPair();
  return { message: await newPart(randomId(), own, peer.id, pair), ephemeral: pair.privateKey };
}

export async function answerOffer(offer, own, peer) {
  const [theirEphemeral, theirKey] = await checkPart(offer, peer, own.id);
  const pair = await newAgreementPair();
  const part = await newPart(offer.sid, own, peer.id, pair);
  const keys = await deriveKeys(offer, part, [
    await agree(pair.privateKey, theirKey),
    await agree(own.privateKey, theirEphemeral),
    await agree(pair.privateKey, theirEphemeral),
  ]);
  const message = { ...part, mac: await mac(keys.confirm, ["answer", keys.transcript]) };
  return { message, keys: directed(keys, "answerer") };
}

export async function confirmAnswer(answer, { offer, ephemeral }, own, peer) {
  const [theirEphemeral, theirKey] = await checkPart(answer, peer, own.id);
  if (answer.sid !== offer.sid) throw new NotProved();
  const keys = await deriveKeys(offer, answer, [
    await agree(own.privateKey, theirEphemeral),
    await agree(ephemeral, theirKey),
    await agree(ephemeral, theirEphemeral),
  ]);
  if (!(await checkMac(keys.confirm, ["answer", keys.transcript], answer.mac))) throw new NotProved();
  const { v, sid, from, to } = offer;
  const message = { v, sid, from, to, mac: await mac(keys.confirm, ["confirm", keys.transcript]) };
  return { message, keys: directed(keys, "offerer") };
}

export async function checkConfirm(confirm, keys) {
  if (!(await checkMac(keys.confirm, ["confirm", keys.transcript], confirm?.mac))) throw new NotProved();
}

/* ---- parts -------------------------------------------------------------------------------- */

async function newPart(sid, own, to, pair) {
  return {
    v: VERSION, sid, from: own.id, to,
    ephemeral: await exportPublic(pair.publicKey),
    key: own.publicText,
    nonce: toBase64url(randomBytes(NONCE_BYTES)),
  };
}

/** What is no key at all is not told apart as another key: people would be asked to compare it. */
async function checkPart(part, peer, to) {
  const hasForm = part?.v === VERSION && part.from === peer.id && part.to === to && /^[\da-f]{32}$/.test(part.sid)
    && [part.ephemeral, part.key, part.nonce].every((text) => typeof text === "string" && text.length < 100);
  if (!hasForm) throw new NotProved();
  const keys = await importKeys(part);
  if (part.key !== peer.key) throw new UnknownKey(part.key);
  return keys;
}

async function importKeys({ ephemeral, key }) {
  try {
    return await Promise.all([importAgreementKey(ephemeral), importAgreementKey(key)]);
  } catch {
    throw new NotProved();
  }
}

const fields = ({ v, sid, from, to, ephemeral, key, nonce }) => [v, sid, from, to, ephemeral, key, nonce];

/** `agreements`: long-term of the offerer with ephemeral, ephemeral with long-term, both ephemeral. */
async function deriveKeys(offer, answer, agreements) {
  const transcript = await sha256(encodeContext([...fields(offer), ...fields(answer)]));
  const salt = saltOf(offer, answer);
  const options = { salt, context: [transcript] };
  const secret = await importSecret(concat(...agreements));
  const [confirm, offererSeals, answererSeals, offererMac, answererMac] = await Promise.all([
    macKey(secret, "confirm", options),
    sealingKey(secret, "offerer seals", options),
    sealingKey(secret, "answerer seals", options),
    macKey(secret, "offerer authenticates", options),
    macKey(secret, "answerer authenticates", options),
  ]);
  return { transcript, confirm, offererSeals, answererSeals, offererMac, answererMac };
}

function saltOf(offer, answer) {
  try {
    const nonces = [offer, answer].map(({ nonce }) => fromBase64url(nonce));
    if (nonces.some(({ length }) => length !== NONCE_BYTES)) throw new NotProved();
    return concat(...nonces);
  } catch {
    throw new NotProved();
  }
}

function directed({ transcript, confirm, offererSeals, answererSeals, offererMac, answererMac }, role) {
  const [mine, theirs] = [{ seal: offererSeals, mac: offererMac }, { seal: answererSeals, mac: answererMac }];
  const [out, into] = role === "offerer" ? [mine, theirs] : [theirs, mine];
  return { transcript, confirm, sealOut: out.seal, macOut: out.mac, sealIn: into.seal, macIn: into.mac };
}
