// Entries of the live feed in words: one line in the list, and their fields in the pane.

import { bytes, count, duration, fingerprint, plural, visible } from "../../format.js";
import { iconOf } from "../../kinds.js";
import { causeOf } from "../../parts/causes.js";

/** Entries made by this page: a stretch without a connection. */
export const GAP = "gap";

export const isBad = (entry) =>
  /(refused|denied|failed|dropped|lost)$/.test(entry.type) || entry.type === "tripwire" || (entry.type === "api_call" && entry.status >= 400);

/** "rotation_started" as "Rotation started". */
const words = (type) => type.charAt(0).toUpperCase() + type.slice(1).replaceAll("_", " ");

const caused = (code) => (code ? `${code}: ${causeOf(code)}` : "");
const joined = (...parts) => parts.filter(Boolean).join(" · ");

/** How the payload travelled: "sealed", "relayed" or "clear". */
export const wayOf = (entry) => (entry.envelope ? (entry.key ? "sealed" : "relayed") : "clear");

const LINES = {
  event: (it) => ({
    title: it.name, icon: it.envelope ? "lock" : iconOf(it.channel ?? ""), tone: it.envelope ? "wax" : "",
    text: joined({ sealed: "sealed", relayed: "sealed by the backend", clear: "clear" }[wayOf(it)], bytes(it.bytes)), reach: count(it.subscribers),
  }),
  client_event: (it) => ({ title: it.name, icon: "users", text: joined(`client event of ${it.user ?? it.socket_id ?? "a subscriber"}`, bytes(it.bytes)), reach: count(it.subscribers) }),
  subscribed: (it) => ({ title: "Subscribed", icon: "in", tone: "open", text: it.user ? `user ${it.user}` : `socket ${it.socket_id}`, reach: count(it.subscribers) }),
  unsubscribed: (it) => ({ title: "Unsubscribed", icon: "out", text: it.user ? `user ${it.user} left` : "left", reach: count(it.subscribers) }),
  connection_opened: (it) => ({ title: "Connected", icon: "plug", tone: "open", text: "", reach: it.socket_id }),
  connection_closed: (it) => ({ title: "Disconnected", icon: "plug", text: it.code ? joined(`closed with ${it.code}`, it.reason) : "lost, without a close frame", reach: it.socket_id }),
  connection_refused: (it) => ({ title: "Refused", icon: "no", text: joined(String(it.code ?? ""), it.reason), reach: it.socket_id }),
  signed_in: (it) => ({ title: "Signed in", icon: "shield", tone: "open", text: `user ${it.user}`, reach: it.socket_id }),
  auth_granted: (it) => ({ title: "Authorized", icon: "shield", tone: "open", text: joined(it.user && `user ${it.user}`, it.by && `by ${it.by}`), reach: it.socket_id }),
  auth_denied: (it) => ({ title: "Denied", icon: "no", text: caused(it.code), reach: it.socket_id }),
  refused: (it) => ({ title: "Refused", icon: "no", text: caused(it.code), reach: it.id ?? it.socket_id }),
  api_call: (it) => ({
    title: `${it.method} ${it.route?.split("/").filter((part) => part && !part.startsWith("{")).at(-1) ?? ""}`, icon: "api",
    text: it.status >= 400 ? joined(String(it.status), caused(it.code)) : joined(String(it.status), bytes(it.bytes), duration(it.microseconds)), reach: it.channels?.length > 1 ? plural(it.channels.length, "channel") : "",
  }),
  webhook_delivered: (it) => ({ title: "Webhook", icon: "hook", tone: "open", text: joined(it.endpoint, plural(it.events, "event")), reach: "" }),
  webhook_failed: (it) => ({ title: "Webhook failed", icon: "hook", text: joined(`${it.endpoint}: ${it.reason ?? "no answer"}`, `attempt ${it.attempt}`), reach: "" }),
  server_draining: () => ({ title: "Draining", icon: "warn", tone: "warn", text: "The server has begun to end", reach: "" }),
};

const KNOWN = new Set(["time", "type", "app", "channel", "seq"]);

/** `{ title, icon, tone, text, reach }`, of plain texts. */
export function lineOf(entry) {
  const line = LINES[entry.type]?.(entry) ?? other(entry);
  return { ...line, title: visible(line.title), text: visible(line.text), reach: visible(line.reach), tone: isBad(entry) ? "bad" : line.tone ?? "" };
}

/** Facts of the audit log, known and coming ones. */
function other(entry) {
  const isKey = /^(rotation|key)/.test(entry.type);
  const rest = Object.entries(entry).filter(([name, value]) => !KNOWN.has(name) && typeof value !== "object");
  return { title: words(entry.type), icon: isKey ? "key" : "log", tone: isKey ? "warn" : "", text: rest.map(([name, value]) => `${name} ${value}`).join(" · "), reach: "" };
}

/** The channel of an entry; of a call, the first one. */
export const channelOf = (entry) => entry.channel ?? entry.channels?.[0];

/** Everything in an entry beside what the pane shows in its own way. */
export function fieldsOf(entry) {
  const own = new Set([...KNOWN, "name", "envelope", "key", "user", "socket_id", "subscribers", "bytes", "code", "id", "microseconds", "channels"]);
  return Object.entries(entry).filter(([name]) => !own.has(name)).map(([name, value]) => [words(name), visible(typeof value === "object" ? JSON.stringify(value) : value)]);
}

export const keyOf = (entry) => fingerprint(entry.key);
