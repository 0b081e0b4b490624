// Signed logs: each entry names the hash of the one before it, so that a server cannot drop, swap or
// add an entry in the middle. The body is JSON text, signed as it is.

import { encodeContext, sha256, sign, toBase64url, verify } from "../../lib/crypto.js";

export const START = Object.freeze({ n: 0, hash: "" });

/** A log, an epoch or a message that is not what its signers made. `code` says in which way. */
export class Broken extends Error {
  constructor(code, sentence) {
    super(sentence);
    Object.assign(this, { name: "Broken", code });
  }
}

const signed = (log, { n, prev, body, by }) => [log, n, prev, body, by];

export async function makeEntry({ purpose, log, head, body, by, signKey }) {
  const entry = { n: head.n + 1, prev: head.hash, body: JSON.stringify(body), by };
  return { ...entry, signature: await sign(signKey, purpose, signed(log, entry)) };
}

/** Resolves with the next head; the caller has chosen whose key has to have signed. */
export async function checkEntry({ purpose, log, head, entry, publicKey }) {
  if (entry?.n !== head.n + 1 || entry.prev !== head.hash) {
    throw new Broken("order", "An entry of a signed log is missing, or not in its place.");
  }
  if (!(await verify(publicKey, purpose, signed(log, entry), entry.signature))) {
    throw new Broken("signature", "An entry of a signed log was not signed by the device that it names.");
  }
  return headAfter(purpose, log, entry);
}

async function headAfter(purpose, log, entry) {
  const bytes = encodeContext([purpose, ...signed(log, entry), entry.signature]);
  return { n: entry.n, hash: toBase64url(await sha256(bytes)) };
}

export function bodyOf(entry) {
  try {
    const body = JSON.parse(entry.body);
    if (typeof body?.op === "string") return body;
  } catch {
    // As below.
  }
  throw new Broken("form", "An entry of a signed log cannot be read.");
}
