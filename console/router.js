// The screens, and addresses such as #/channels/NAME?prefix=private-.

const screen = (name, title, icon, letter, load, more = {}) => ({ name, title, icon, letter, load, ...more });

/** The sidebar's groups; `letter` follows G. */
export const GROUPS = [
  { title: "Watch", screens: [
    screen("overview", "Overview", "overview", "o", () => import("./screens/overview.js")),
    screen("live", "Live events", "live", "l", () => import("./screens/live.js"), { tab: "Live" }),
    screen("channels", "Channels", "channels", "c", () => import("./screens/channels.js")),
    screen("connections", "Connections", "plug", "n", () => import("./screens/connections.js")),
  ] },
  { title: "Sealing and access", screens: [
    screen("keys", "Keys", "key", "k", () => import("./screens/keys.js")),
    screen("authorization", "Authorization", "shield", "a", () => import("./screens/authorization.js")),
  ] },
  { title: "Backends", screens: [
    screen("send", "Send an event", "send", "s", () => import("./screens/send.js")),
    screen("try", "Try it", "spark", "t", () => import("./screens/try.js"), { dev: true }),
    screen("webhooks", "Webhooks", "hook", "w", () => import("./screens/webhooks.js")),
    screen("reference", "API reference", "book", "r", () => import("./screens/reference.js")),
  ] },
  { title: "Server", screens: [
    screen("nodes", "Nodes", "nodes", "d", () => import("./screens/nodes.js")),
    screen("configuration", "Configuration", "gear", "f", () => import("./screens/configuration.js")),
    screen("audit", "Audit log", "log", "u", () => import("./screens/audit.js")),
  ] },
];

export const MORE = screen("more", "More", "more", "m", () => import("./screens/more.js"));
/** The tabs of the phone. */
export const TABS = ["overview", "live", "channels", "keys", "more"];

const ALL = [...GROUPS.flatMap((group) => group.screens), MORE];

/** The screens of this server: "Try it" with --dev alone. */
export const screensFor = (session) => ALL.filter((it) => !it.dev || session?.dev);
export const screenNamed = (name) => ALL.find((it) => it.name === name);

/** `{ name, path, query }` of a fragment. */
export function parse(fragment) {
  const [place, query = ""] = fragment.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, ...path] = place.split("/").filter(Boolean).map(decoded);
  return { name: screenNamed(name) ? name : "overview", path, query: Object.fromEntries(new URLSearchParams(query)) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The reverse of `parse`; empty parameters are left out. */
export function format(name, path = [], query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const parameters = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${[name, ...path].map(encodeURIComponent).join("/")}${parameters}`;
}

/** A code of `sealcast console`: 16 bytes in the alphabet of URLs, without a slash in front. */
export const codeIn = (fragment) => /^#([\w-]{22})$/.exec(fragment)?.[1];
