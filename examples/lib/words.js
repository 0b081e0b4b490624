// Fingerprints that people compare, and passphrases that they can remember.
//
// A fingerprint is of one person's key. One of two keys together would fall to a birthday search.

import { wordlist } from "../node_modules/@scure/bip39/wordlists/english.js";
import { encode as encodeQr } from "../node_modules/uqr/dist/index.mjs";
import { encodeContext, equal, fromBase64url, randomBytes, toBase64url, utf8 } from "./bytes.js";

const WORD_BITS = 11;
const FINGERPRINT_WORDS = 8;
const FINGERPRINT_ROUNDS = 100_000;
const FINGERPRINT_SALT = utf8("sealcast fp 1");
/** 77 bits. */
const PASSPHRASE_WORDS = 7;

const keyBytes = (key) => (key instanceof Uint8Array ? key : fromBase64url(key));

function wordsOf(bytes, count) {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  let left = bytes.length * 8;
  return Array.from({ length: count }, () => {
    left -= WORD_BITS;
    return wordlist[Number((bits >> BigInt(left)) & 2047n)];
  });
}

export async function fingerprint(userId, publicKey) {
  const input = encodeContext([userId, keyBytes(publicKey)]);
  const material = await crypto.subtle.importKey("raw", input, "PBKDF2", false, ["deriveBits"]);
  const parameters = { name: "PBKDF2", hash: "SHA-256", salt: FINGERPRINT_SALT, iterations: FINGERPRINT_ROUNDS };
  const bits = await crypto.subtle.deriveBits(parameters, material, FINGERPRINT_WORDS * WORD_BITS);
  return wordsOf(new Uint8Array(bits), FINGERPRINT_WORDS);
}

/** Both sides show the same two lines in the same order. */
export async function fingerprints(people) {
  const sorted = inOrder(people);
  return Promise.all(sorted.map(async ({ id, key }) => ({ id, words: await fingerprint(id, key) })));
}

const inOrder = (people) => [...people].sort((a, b) => (a.id < b.id ? -1 : 1));

/* ---- the link behind the QR --------------------------------------------------------------- */

const hashOf = async (key) => new Uint8Array(await crypto.subtle.digest("SHA-256", keyBytes(key)));

/** In the fragment, which no browser sends. The page it opens only compares. */
export async function verifyLink(pageUrl, people) {
  const parts = await Promise.all(inOrder(people).map(async ({ id, key }) =>
    `${encodeURIComponent(id)}=${toBase64url(await hashOf(key))}`));
  const url = new URL(pageUrl);
  url.hash = parts.join("&");
  return url.href;
}

export function readVerifyLink(fragment) {
  try {
    const entries = fragment.replace(/^#/, "").split("&").map((part) => {
      const [id, hash, ...rest] = part.split("=");
      const bytes = fromBase64url(hash);
      if (!id || rest.length > 0 || bytes.length !== 32) throw new TypeError("not a link to compare keys");
      return { id: decodeURIComponent(id), hash };
    });
    return entries;
  } catch {
    return null;
  }
}

export async function matchesVerifyLink(entries, people) {
  const sorted = inOrder(people);
  if (entries?.length !== sorted.length) return false;
  const hashes = await Promise.all(sorted.map(({ key }) => hashOf(key)));
  return sorted.every(({ id }, i) => entries[i].id === id && equal(fromBase64url(entries[i].hash), hashes[i]));
}

/* ---- QR ----------------------------------------------------------------------------------- */

const SVG = "http://www.w3.org/2000/svg";

export function qr(text, label) {
  const { data, size } = encodeQr(text, { ecc: "M", border: 2 });
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": label })) {
    svg.setAttribute(name, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", data.flatMap((row, y) => runs(row).map(([x, length]) => `M${x} ${y}h${length}v1h-${length}z`)).join(""));
  svg.append(path);
  return svg;
}

/** Dark runs of a row: one rectangle each leaves no hairlines between modules. */
function runs(row) {
  const found = [];
  row.forEach((isDark, x) => {
    if (!isDark) return;
    if (row[x - 1]) found.at(-1)[1]++;
    else found.push([x, 1]);
  });
  return found;
}

/* ---- passphrases -------------------------------------------------------------------------- */

export function proposePassphrase() {
  return wordsOf(randomBytes(Math.ceil((PASSPHRASE_WORDS * WORD_BITS) / 8)), PASSPHRASE_WORDS).join(" ");
}

const known = new Set(wordlist);

/** Only the form of a proposal is sure to be strong: people choose words that others guess. */
export function isWeakPassphrase(text) {
  const words = text.trim().split(/\s+/);
  return !(words.length >= PASSPHRASE_WORDS && new Set(words).size > PASSPHRASE_WORDS / 2 && words.every((word) => known.has(word)));
}
