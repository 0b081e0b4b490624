// Encodings, contexts and padding: what crypto.js is made of. No secrets are kept here.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text) => encoder.encode(text);
export const fromUtf8 = (bytes) => decoder.decode(bytes);

/** Unpadded, as Sealcast expects it in `iv.ct`. */
export function toBase64url(bytes) {
  let binary = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export function fromBase64url(text) {
  if (typeof text !== "string" || !/^[\w-]*$/.test(text)) throw new TypeError("this is not base64url");
  if (text.length % 4 === 1) throw new TypeError("this is not base64url");
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
  // The last letter has unused bits: one text for each bytes, so that no other passes for it.
  const end = text.length - (text.length % 4);
  if (toBase64url(bytes.subarray((end / 4) * 3)) !== text.slice(end)) throw new TypeError("this is not base64url");
  return bytes;
}

export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function fromHex(text) {
  if (typeof text !== "string" || !/^(?:[\da-f]{2})*$/i.test(text)) throw new TypeError("this is not hex");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Takes the same time wherever the bytes differ. */
export function equal(a, b) {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

export const randomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));
export const randomId = () => toHex(randomBytes(16));

// The kind keeps the number 1 apart from the text "1".
const KINDS = { string: 1, number: 2, bytes: 3 };

/** Each item with its kind and its length, so that no two lists are the same bytes. */
export function encodeContext(context = []) {
  return concat(...context.map((item) => {
    if (item instanceof Uint8Array) return concat(head(KINDS.bytes, item.length), item);
    if (typeof item === "string") {
      // As bytes, all halves of a pair are the same.
      if (!item.isWellFormed()) throw new TypeError("a context takes well-formed texts");
      const bytes = utf8(item);
      return concat(head(KINDS.string, bytes.length), bytes);
    }
    if (Number.isSafeInteger(item) && item >= 0) {
      const bytes = utf8(String(item));
      return concat(head(KINDS.number, bytes.length), bytes);
    }
    throw new TypeError("a context takes texts, whole numbers from 0 and bytes");
  }));
}

function head(kind, length) {
  const bytes = new Uint8Array(5);
  bytes[0] = kind;
  new DataView(bytes.buffer).setUint32(1, length);
  return bytes;
}

const STEPS = {
  message: (length) => (length <= 64 ? 64 : Math.ceil(length / 256) * 256),
  snapshot: (length) => Math.ceil(length / 1024) * 1024,
};

/** One byte 0x80 and zeros up to the next step: AES-GCM alone would tell the exact length. */
export function pad(bytes, kind = "message") {
  if (!Object.hasOwn(STEPS, kind)) throw new TypeError(`pad is "message" or "snapshot", not "${kind}"`);
  const padded = new Uint8Array(STEPS[kind](bytes.length + 1));
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  return padded;
}

export function unpad(bytes) {
  const end = bytes.findLastIndex((byte) => byte !== 0);
  if (end < 0 || bytes[end] !== 0x80) throw new TypeError("the padding is broken");
  return bytes.subarray(0, end);
}
