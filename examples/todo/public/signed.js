// Signs requests for Sealcast's API in the page. That needs the app's secret here, so everybody who
// opens the page has it: this is the open door.

import { md5 } from "./md5.js";

const encoder = new TextEncoder();
const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function hmac(secret, text) {
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return hex(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
}

/** `app` is `{ url, id, key, secret }`; `clock` in ms is added, for a page whose clock is wrong. */
export async function signedCall({ url, id, key, secret, clock = 0 }, { method, path, query = {}, body, ifMatch }) {
  const full = `/apps/${id}${path}`;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const parameters = {
    ...query, auth_key: key, auth_timestamp: String(Math.floor((Date.now() + clock) / 1000)), auth_version: "1.0",
    ...(text !== undefined && { body_md5: md5(encoder.encode(text)) }),
  };
  const line = Object.keys(parameters).sort().map((name) => `${name}=${parameters[name]}`).join("&");
  const signature = await hmac(secret, `${method}\n${full}\n${line}`);
  const answer = await fetch(`${url}${full}?${new URLSearchParams({ ...parameters, auth_signature: signature })}`, {
    method,
    headers: { ...(text !== undefined && { "content-type": "application/json" }), ...(ifMatch && { "if-match": `"${ifMatch}"` }) },
    body: text,
  });
  return { status: answer.status, ...(await answer.json().catch(() => ({}))) };
}
