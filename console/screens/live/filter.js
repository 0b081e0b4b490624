// The filter as chips. The server applies app, channel, type and socket; this page applies all.

import { isBad } from "./entries.js";
import { pattern } from "./pattern.js";

export const NAMES = ["channel", "type", "socket", "user", "code", "text"];
const OF_SERVER = ["channel", "type", "socket"];
const TYPES = /^(event|client_event|api_call|refused|signed_in|subscribed|unsubscribed|connection_\w+|auth_\w+|webhook_\w+|rotation_\w+|key_\w+|server_draining|tripwire)$/;
const MAX_CHIPS = 12;

export class Filter {
  /** `{ name, value }` each. */
  chips = [];
  hidesCalls = true;
  /** What is typed and not yet a chip. */
  draft = "";
  #tests = [];

  constructor(query = {}) {
    this.replace(query);
  }

  /** Takes the filter of an address. */
  replace(query) {
    Object.assign(this, { chips: [], draft: "" });
    this.hidesCalls = query.hide !== "none";
    for (const name of NAMES) if (query[name]) this.chips.push({ name, value: query[name] });
    this.#compile();
  }

  /** For the address. */
  toQuery() {
    return { ...Object.fromEntries(this.chips.map(({ name, value }) => [name, value])), ...(this.hidesCalls ? {} : { hide: "none" }) };
  }

  /** For the server. */
  toServer(app) {
    const query = new URLSearchParams({ app });
    for (const { name, value } of this.chips) if (OF_SERVER.includes(name)) query.set(name, value);
    return query.toString();
  }

  /** One chip for each name: the server takes each once. */
  add(name, value) {
    this.chips = [...this.chips.filter((chip) => chip.name !== name), { name, value }].slice(-MAX_CHIPS);
    this.#compile();
  }

  remove(name) {
    if (name === "hide") this.hidesCalls = false;
    this.chips = this.chips.filter((chip) => chip.name !== name);
    this.#compile();
  }

  clear() {
    Object.assign(this, { chips: [], draft: "", hidesCalls: true });
    this.#compile();
  }

  type(draft) {
    this.draft = draft;
    this.#compile();
  }

  /** Makes a chip of the typed text: "channel:NAME", a socket id, a type, or any text. */
  commit() {
    const text = this.draft.trim();
    this.draft = "";
    const [, name, value] = /^(\w+)[:=]\s*(.+)$/s.exec(text) ?? [];
    if (NAMES.includes(name)) this.add(name, value.trim());
    else if (/^\d+\.\d+$/.test(text)) this.add("socket", text);
    else if (text.split(",").every((it) => TYPES.test(it))) this.add("type", text);
    else if (/^(private|presence|cache)-/.test(text)) this.add("channel", text.includes("*") ? text : `${text}*`);
    else if (text) this.add("text", text);
    else this.#compile();
  }

  matches(entry) {
    return this.#tests.every((test) => test(entry));
  }

  #compile() {
    const tests = this.chips.map(({ name, value }) => testOf(name, value));
    if (this.hidesCalls) tests.push((entry) => entry.type !== "api_call" || isBad(entry));
    if (this.draft.trim()) tests.push(testOf("text", this.draft.trim()));
    this.#tests = tests;
  }
}

function testOf(name, value) {
  switch (name) {
    case "channel": {
      const wanted = pattern(value);
      return ({ channel, channels = [] }) => (channel !== undefined && wanted(channel)) || channels.some(wanted);
    }
    case "type": {
      const wanted = pattern(value);
      return ({ type }) => wanted(type);
    }
    case "socket": return (entry) => entry.socket_id === value;
    case "user": return (entry) => entry.user === value;
    case "code": return (entry) => String(entry.code ?? "") === value;
    default: {
      const wanted = value.toLowerCase();
      return (entry) => [entry.type, entry.channel, entry.name, entry.user, entry.socket_id, entry.code, entry.id, entry.endpoint, entry.reason]
        .some((it) => it !== undefined && String(it).toLowerCase().includes(wanted));
    }
  }
}
