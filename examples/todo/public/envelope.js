// The seal of a list under a passphrase, in the form `iv.ct` that the server demands of such a channel.
//
//   ct = head and ciphertext; head = format, version, iterations, salt
//
// The head is associated data. So nobody can change how the key is made without being noticed.

import {
  concat, DoesNotOpen, fromBase64url, MIN_ITERATIONS, newPassphraseHead, openJson, passphraseSecret, sealingKey, sealJson,
  toBase64url, toHex,
} from "../../lib/crypto.js";

/** PBKDF2 with SHA-256, AES-256-GCM. Another number would be another way to make the key. */
const FORMAT = 1;
const HEAD_BYTES = 1 + 4 + 4 + 16;

/** The settings in a frame would make the passphrase easy to guess: nothing is derived with them. */
export class WeakHead extends Error {}

export async function newLock(list, passphrase) {
  const { salt, iterations } = newPassphraseHead();
  return lockFrom(list, passphrase, { salt: fromBase64url(salt), iterations });
}

/** The lock of a frame, if the passphrase opens it. There is no other check value to try guesses on. */
export async function unlock(list, passphrase, frame) {
  const lock = await lockFrom(list, passphrase, readHead(frame));
  await openFrame(lock, frame);
  return lock;
}

async function lockFrom(list, passphrase, { salt, iterations }) {
  const secret = await passphraseSecret(passphrase, { salt, kdf: "PBKDF2", hash: "SHA-256", iterations });
  return { list, salt: toBase64url(salt), iterations, key: await sealingKey(secret, "todo list") };
}

export async function sealFrame(lock, snapshot) {
  const head = writeHead(lock, snapshot.version);
  const [iv, ciphertext] = (await sealJson(lock.key, snapshot, contextOf(lock, head), { pad: "snapshot" })).split(".");
  return `${iv}.${toBase64url(concat(head, fromBase64url(ciphertext)))}`;
}

export async function openFrame(lock, frame) {
  const { iv, head, ciphertext, version } = readHead(frame);
  const snapshot = await openJson(lock.key, `${iv}.${toBase64url(ciphertext)}`, contextOf(lock, head));
  if (snapshot.version !== version) throw new DoesNotOpen();
  return snapshot;
}

export const hasHeadOf = (lock, frame) => {
  const { salt, iterations } = readHead(frame);
  return toBase64url(salt) === lock.salt && iterations === lock.iterations;
};

/** Throws for what is no frame, and for a head that makes guessing cheap, whoever wrote it. */
export function readHead(frame) {
  const [iv, ct] = String(frame).split(".");
  let bytes;
  try {
    bytes = fromBase64url(ct);
  } catch {
    throw new DoesNotOpen();
  }
  if (bytes.length <= HEAD_BYTES) throw new DoesNotOpen();
  const view = new DataView(bytes.buffer);
  const iterations = view.getUint32(5);
  if (bytes[0] !== FORMAT || iterations < MIN_ITERATIONS) {
    throw new WeakHead(`This list asks for ${iterations.toLocaleString("en")} rounds or another method. That is easy to guess, so this page derives no key.`);
  }
  return { iv, head: bytes.slice(0, HEAD_BYTES), version: view.getUint32(1), iterations, salt: bytes.slice(9, HEAD_BYTES), ciphertext: bytes.slice(HEAD_BYTES) };
}

function writeHead({ salt, iterations }, version) {
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  head[0] = FORMAT;
  view.setUint32(1, version);
  view.setUint32(5, iterations);
  head.set(fromBase64url(salt), 9);
  return head;
}

const contextOf = ({ list }, head) => ["todo snapshot", String(list), toHex(head)];
