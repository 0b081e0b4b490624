// The key in the link, and everything that comes from it.

import { derivedBytes, fromBase64url, importSecret, openJson, randomBytes, sealingKey, sealJson, toBase64url, toHex } from "../../lib/crypto.js";

const KEY_BYTES = 32;

export const newLinkKey = () => toBase64url(randomBytes(KEY_BYTES));
export const linkFor = (text) => `${location.origin}/#k=${text}`;

/** The key's text; `null` without one, and `undefined` for a broken one. */
export function readFragment(fragment) {
  const text = new URLSearchParams(fragment.replace(/^#/, "")).get("k");
  if (text === null) return fragment.length > 1 ? undefined : null;
  try {
    // Another spelling of the same bytes would be another link.
    return fromBase64url(text).length === KEY_BYTES && toBase64url(fromBase64url(text)) === text ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Non-extractable keys; the bytes are dropped here. Another key is another room, and its id cannot be guessed. */
export async function openLink(text) {
  const secret = await importSecret(fromBase64url(text));
  const room = toHex(await derivedBytes(secret, "room", 16));
  const key = await sealingKey(secret, "table");
  const outboxKey = await sealingKey(secret, "outbox");
  const context = ["planning-poker", room];
  return {
    room,
    seal: (value) => sealJson(key, value, context, { pad: "snapshot" }),
    open: (sealed) => openJson(key, sealed, context),
    sealWaiting: (value) => sealJson(outboxKey, value, context, { pad: "message" }),
    openWaiting: (sealed) => openJson(outboxKey, sealed, context),
  };
}
