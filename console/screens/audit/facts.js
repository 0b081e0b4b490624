// Facts in words, as docs/audit.md lists them.

import { fingerprint, plural } from "../../format.js";
import { channelName, name } from "../../parts/badges.js";
import { html, nothing } from "../../parts/html.js";

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
