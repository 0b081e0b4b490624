// Key pairs on P-256: agreement (ECDH) and signatures (ECDSA). Private keys are never extractable.

import { encodeContext, fromBase64url, toBase64url } from "./bytes.js";

const ECDH = { name: "ECDH", namedCurve: "P-256" };
const ECDSA = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };

// Public keys export all the same.
export const newAgreementPair = () => crypto.subtle.generateKey(ECDH, false, ["deriveBits"]);
export const newSigningPair = () => crypto.subtle.generateKey(ECDSA, false, ["sign", "verify"]);

/** The uncompressed point, 65 bytes. */
export const exportPublic = async (key) => toBase64url(new Uint8Array(await crypto.subtle.exportKey("raw", key)));

export const importAgreementKey = (text) => importPublic(text, ECDH, []);
export const importSigningKey = (text) => importPublic(text, ECDSA, ["verify"]);

async function importPublic(text, algorithm, uses) {
  const bytes = fromBase64url(text);
  // One form for each key, so that its fingerprint cannot be that of another text.
  if (bytes.length !== 65 || bytes[0] !== 4 || toBase64url(bytes) !== text) throw new TypeError("a public key is an uncompressed point of 65 bytes");
  return crypto.subtle.importKey("raw", bytes, algorithm, true, uses);
}

/** 32 bytes for `importSecret`, never a key by themselves. */
export async function agree(privateKey, publicKey) {
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "ECDH", public: publicKey }, privateKey, 256));
}

export async function sign(privateKey, purpose, context) {
  return toBase64url(new Uint8Array(await crypto.subtle.sign(SIGNATURE, privateKey, encodeContext([purpose, ...context]))));
}

export async function verify(publicKey, purpose, context, signature) {
  try {
    return await crypto.subtle.verify(SIGNATURE, publicKey, fromBase64url(signature), encodeContext([purpose, ...context]));
  } catch {
    return false;
  }
}
