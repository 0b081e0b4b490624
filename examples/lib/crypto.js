// Encryption for the examples, on WebCrypto alone: README.md lists the functions.
//
// Every key comes from a secret by HKDF, and names its purpose there. No function takes an IV: each
// call of `seal` draws 12 random bytes, so use a key for far fewer than 2^32 messages.

import {
  encodeContext, fromBase64url, fromUtf8, pad, randomBytes, toBase64url, unpad, utf8,
} from "./bytes.js";

export {
  concat, encodeContext, equal, fromBase64url, fromHex, fromUtf8, pad, randomBytes, randomId, toBase64url, toHex, unpad,
  utf8,
} from "./bytes.js";
export {
  agree, exportPublic, importAgreementKey, importSigningKey, newAgreementPair, newSigningPair, sign, verify,
} from "./pairs.js";

const IV_BYTES = 12;
const TAG_BYTES = 16;
const MIN_SALT_BYTES = 16;
export const MIN_ITERATIONS = 600_000;
/** A wrong server could otherwise keep a page busy for hours. */
const MAX_ITERATIONS = 10_000_000;

/** The wrong key, altered text, or another context: AES-GCM does not tell these apart. */
export class DoesNotOpen extends Error {
  constructor() {
    super("This does not open with the key of this page.");
    this.name = "DoesNotOpen";
  }
}

export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/* ---- keys --------------------------------------------------------------------------------- */

export async function importSecret(bytes) {
  if (!(bytes instanceof Uint8Array) || bytes.length < 32) throw new TypeError("a secret has at least 32 bytes");
  return crypto.subtle.importKey("raw", bytes, "HKDF", false, ["deriveKey", "deriveBits"]);
}

export async function sealingKey(secret, purpose, options) {
  const kind = { name: "AES-GCM", length: 256 };
  return crypto.subtle.deriveKey(derivation(purpose, options), secret, kind, false, ["encrypt", "decrypt"]);
}

export async function macKey(secret, purpose, options) {
  const kind = { name: "HMAC", hash: "SHA-256", length: 256 };
  return crypto.subtle.deriveKey(derivation(purpose, options), secret, kind, false, ["sign", "verify"]);
}

export async function derivedBytes(secret, purpose, count, options) {
  return new Uint8Array(await crypto.subtle.deriveBits(derivation(purpose, options), secret, count * 8));
}

function derivation(purpose, { salt = new Uint8Array(), context = [] } = {}) {
  if (typeof purpose !== "string" || purpose === "") throw new TypeError("a key needs a purpose");
  return { name: "HKDF", hash: "SHA-256", salt, info: encodeContext([purpose, ...context]) };
}

export const newPassphraseHead = () => ({
  salt: toBase64url(randomBytes(MIN_SALT_BYTES)), kdf: "PBKDF2", hash: "SHA-256", iterations: MIN_ITERATIONS,
});

/** Refuses a weak head, whoever sent it: it would make guessing cheap for its sender. */
export async function passphraseSecret(passphrase, { salt, kdf, hash, iterations }) {
  const bytes = salt instanceof Uint8Array ? salt : fromBase64url(salt);
  const isGood = kdf === "PBKDF2" && hash === "SHA-256" && Number.isSafeInteger(iterations)
    && iterations >= MIN_ITERATIONS && iterations <= MAX_ITERATIONS && bytes.length >= MIN_SALT_BYTES;
  if (!isGood) throw new RangeError("These settings would make the passphrase easy to guess, so they are refused.");
  // Phones and desktops compose accents differently.
  const text = utf8(passphrase.normalize("NFKC"));
  const material = await crypto.subtle.importKey("raw", text, "PBKDF2", false, ["deriveBits"]);
  const derived = await crypto.subtle.deriveBits({ name: "PBKDF2", hash, salt: bytes, iterations }, material, 256);
  return importSecret(new Uint8Array(derived));
}

/* ---- sealing ------------------------------------------------------------------------------ */

export async function sealBytes(key, bytes, context) {
  const iv = randomBytes(IV_BYTES);
  const parameters = { name: "AES-GCM", iv, additionalData: encodeContext(context) };
  const ciphertext = new Uint8Array(await crypto.subtle.encrypt(parameters, key, bytes));
  return `${toBase64url(iv)}.${toBase64url(ciphertext)}`;
}

export async function openBytes(key, sealed, context) {
  try {
    const parts = String(sealed).split(".");
    const [iv, ciphertext] = parts.map(fromBase64url);
    if (parts.length !== 2 || iv.length !== IV_BYTES || ciphertext.length < TAG_BYTES) throw new DoesNotOpen();
    const parameters = { name: "AES-GCM", iv, additionalData: encodeContext(context) };
    return new Uint8Array(await crypto.subtle.decrypt(parameters, key, ciphertext));
  } catch {
    throw new DoesNotOpen();
  }
}

export const seal = (key, text, context, { pad: kind } = {}) => sealBytes(key, pad(utf8(text), kind), context);

export async function open(key, sealed, context) {
  const padded = await openBytes(key, sealed, context);
  try {
    return fromUtf8(unpad(padded));
  } catch {
    throw new DoesNotOpen();
  }
}

export const sealJson = (key, value, context, options) => seal(key, JSON.stringify(value), context, options);

export async function openJson(key, sealed, context) {
  const text = await open(key, sealed, context);
  try {
    return JSON.parse(text);
  } catch {
    throw new DoesNotOpen();
  }
}

/* ---- authentication ----------------------------------------------------------------------- */

export async function mac(key, context) {
  return toBase64url(new Uint8Array(await crypto.subtle.sign("HMAC", key, encodeContext(context))));
}

export async function checkMac(key, context, text) {
  try {
    return await crypto.subtle.verify("HMAC", key, fromBase64url(text), encodeContext(context));
  } catch {
    return false;
  }
}
