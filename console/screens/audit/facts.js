// Facts in words, as docs/audit.md lists them.

import { fingerprint, plural } from "../../format.js";
import { channelName, name } from "../../parts/badges.js";
import { html, nothing } from "../../parts/html.js";

export const KINDS = [["all", "All"], ["access", "Access"], ["keys", "Keys"], ["operators", "Operators"], ["server", "Server"], ["faults", "Faults"]];

const KIND_OF = {
  auth_granted: "access", auth_denied: "access", auth_refused_socket: "access", token_made: "access", tokens_revoked: "access", channel_revoked: "access", plaintext_refused: "access",
  admin_action: "operators", watch_begun: "operators", watch_ended: "operators", reveal_begun: "operators", reveal_ended: "operators", console_signed_in: "operators", console_signed_out: "operators",
  tripwire: "faults", facts_lost: "faults", line_torn: "faults", revocation_not_written: "faults", config_refused: "faults",
};

export const kindOfFact = ({ event }) => KIND_OF[event] ?? (/^(key|rotation)_/.test(event) ? "keys" : /^console_/.test(event) ? "operators" : "server");

export function toneOfFact(fact) {
  if (kindOfFact(fact) === "faults") return "bad";
  return /denied|refused/.test(fact.event) ? "warn" : "";
}

const key = (id) => html`<span class="mono">${fingerprint(id)}</span>`;

/** The subject of a fact: channel, key, names of settings. */
export function about(fact) {
  if (fact.channel) return html`${channelName(fact.channel)}${fact.user ? html` <span class="dim">user</span> ${name(fact.user)}` : nothing}`;
  if (fact.from && fact.to) return html`${key(fact.from)} to ${key(fact.to)}`;
  if (fact.key) return key(fact.key);
  if (fact.action) return html`${fact.action.replaceAll("_", " ")} ${subject(fact)}`;
  if (fact.user) return html`<span class="dim">user</span> ${name(fact.user)}`;
  if (fact.taken || fact.later || fact.waits) return reloaded(fact);
  return name(fact.peer ?? fact.reason ?? fact.version ?? fact.jti ?? fact.kept_in ?? "");
}

const subject = ({ channels = [], socket_id: socket, node }) =>
  socket ? name(socket) : node ? html`node ${name(node)}` : channels.map((channel, at) => html`${at ? ", " : nothing}${name(channel)}`);

const reloaded = ({ taken = [], later = [], waits = [] }) =>
  [taken.length && `${plural(taken.length, "setting")} applied: ${taken.join(", ")}`, later.length && `after a restart: ${later.join(", ")}`, waits.length && `after the rotation: ${waits.join(", ")}`].filter(Boolean).join("; ") || "nothing changed";

/** JSON in which characters that hide or reorder others are escaped. */
export const escaped = (json) => json.replace(/[\p{Cf}\p{Zl}\p{Zp}]/gu, (text) => [...Array(text.length).keys()].map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""));
