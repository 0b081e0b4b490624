// Three apps of one Sealcast. Two differ in the origins they know, which is a layer; the third is the
// open door, whose secret lies in the page.

/** Its `origins` has the first port alone. */
export const STRICT = "1001";
/** Any port of this machine may use it. */
export const LAX = "1003";
export const DOOR = "1002";

const ALL = ["subscribe", "history", "trigger"];
const MAX_LIST_BYTES = 128 * 1024;

export const PREFIXES = { open: "private-cache-todo-", sealed: "private-encrypted-cache-todo-", presence: "presence-todo-" };

const limits = { event_bytes: MAX_LIST_BYTES, client_event_bytes: MAX_LIST_BYTES, client_events_per_second: 100 };
const history = { events: 20, bytes: "2MiB", ttl: "30d", client_events: true, store: "disk" };

/** A name without the right signature matches no rule. */
const rules = [
  { channel: `${PREFIXES.open}{id}`, idsig: true, allow: ALL },
  { channel: `${PREFIXES.sealed}{id}`, idsig: true, allow: ALL },
  { channel: `${PREFIXES.presence}{id}`, idsig: true, allow: ["subscribe"] },
];

/** An id that begins with "e" belongs to a list under a passphrase. */
const channels = [
  ...[PREFIXES.open, PREFIXES.sealed].map((prefix) => ({ pattern: `${prefix}e*`, payload: "ciphertext", history })),
  ...[PREFIXES.open, PREFIXES.sealed].map((prefix) => ({ pattern: `${prefix}*`, history })),
];

export function sealcastSettings({ secrets, origins }) {
  const list = { authorizer: "jwt", derivation: "hkdf", jwt: { leeway_seconds: 0 }, explain: true, limits, rules, channels };
  const { masterKey, ...lax } = secrets[LAX];
  return {
    sealed: true,
    app: list,
    apps: {
      [LAX]: { ...lax, ...list, master_key: masterKey, origins },
      [DOOR]: {
        ...secrets[DOOR], origins, api_cors: true, mode: "blind", explain: true, limits,
        channels: [{ pattern: "private-cache-door-*", history: { events: 20, ttl: "1h" } }],
      },
    },
  };
}
