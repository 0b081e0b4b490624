// Reads a list as the person who runs Sealcast can: a pass of their own making, and the server's seal
// opened with the secret that every subscriber gets.

import { installed } from "../lib/packages.mjs";

const nacl = installed("tweetnacl");
const TIMEOUT_MS = 5000;
const SHOWN = 240;
const bytes = (base64) => new Uint8Array(Buffer.from(base64, "base64"));

export async function readAsOperator(url, origin, app, channel) {
  const { token } = await app.api.accessToken({ user: "operator", channels: [channel], allow: ["subscribe", "history"], ttl: 30 });
  const headers = { origin, authorization: `Bearer ${token}`, "content-type": "application/json" };
  const base = `${url}/app/${app.key}`;
  const answer = await fetch(`${base}/channels/${channel}/last`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (answer.status !== 200) return { status: answer.status, text: "" };
  let { data } = await answer.json();
  if (channel.startsWith("private-encrypted-")) data = await unsealed({ url, base, headers, app, channel, data });
  return { status: 200, text: data.slice(0, SHOWN), length: data.length };
}

async function unsealed({ url, base, headers, app, channel, data }) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  try {
    const stream = await fetch(`${base}/sse?channel=${channel}`, { headers, signal: stop.signal });
    const socketId = await socketIdOf(stream.body);
    const asked = await fetch(`${url}/apps/${app.id}/auth/channel`, {
      method: "POST", headers, signal: stop.signal, body: JSON.stringify({ socket_id: socketId, channel_name: channel }),
    });
    const { shared_secret: secret } = await asked.json();
    const { nonce, ciphertext } = JSON.parse(data);
    const plain = nacl.secretbox.open(bytes(ciphertext), bytes(nonce), bytes(secret));
    return plain ? Buffer.from(plain).toString() : data;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

/** The stream stays open: a secret is for a live connection. */
async function socketIdOf(body) {
  const reader = body.getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the stream told no socket_id");
    text += Buffer.from(value).toString();
    const [, id] = /socket_id\\":\\"([\d.]+)/.exec(text) ?? [];
    if (id) return id;
  }
}
