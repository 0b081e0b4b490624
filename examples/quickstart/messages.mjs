// What people write goes to Sealcast in plain text, by the official SDK.

import { randomUUID } from "node:crypto";
import { installed } from "../lib/packages.mjs";
import { Refusal } from "../lib/server.mjs";

const Pusher = installed("pusher");
const TIMEOUT_MS = 5000;

/** `fix`: what to do if Sealcast does not answer. */
export function publisher({ url, app, channel, fix }) {
  const { hostname, port, protocol, origin } = new URL(url);
  const pusher = new Pusher({
    appId: app.id, key: app.key, secret: app.secret, host: hostname, port: port || undefined,
    useTLS: protocol === "https:", timeout: TIMEOUT_MS,
  });

  // Not pusher.trigger(): for an encrypted channel it needs a master key of its own.
  // pusher.post() signs the same request and leaves the sealing to the server.
  async function event(name, data) {
    const body = { name, channels: [channel], data: JSON.stringify(data) };
    try {
      await pusher.post({ path: "/events", body });
    } catch (error) {
      throw refusalOf(error, `The backend cannot reach Sealcast at ${origin}. ${fix}`);
    }
    return body;
  }

  return {
    event,
    /** Resolves with the request as it was sent. */
    async message(message) {
      const body = await event("message", message);
      return { request: `POST /apps/${app.id}/events`, body: JSON.stringify(body) };
    },
  };
}

function refusalOf(error, unreachable) {
  if (error.status === undefined) return new Refusal(502, unreachable);
  let reason = String(error.body ?? "").slice(0, 500);
  try {
    reason = JSON.parse(error.body).error ?? reason;
  } catch {
    // Not JSON: the text itself is the reason.
  }
  return new Refusal(error.status, `The server refused the message (${error.status}): ${reason}`);
}

/** The backend believes the name in the form; a real one takes it from its session. */
export function readMessage(body) {
  const { id, name, text } = body ?? {};
  if ([id, name, text].some((field) => typeof field !== "string" || field.trim() === "")) {
    throw new Refusal(400, "A message needs an id, a name and a text.");
  }
  return { message: randomUUID(), id: id.slice(0, 40), name: name.slice(0, 40), text, sent: new Date().toISOString() };
}
