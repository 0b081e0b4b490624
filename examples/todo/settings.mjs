// Three apps of one Sealcast. Two differ in the origins they know, which is a layer; the third is the
// open door, whose secret lies in the page.

/** Its `origins` has the first port alone. */
export const STRICT = "1001";
/** Any port of this machine may use it. */
export const LAX = "1003";
export const DOOR = "1002";

const ALL = ["subscribe", "history", "trigger"];
const MAX_LIST_BYTES = 256 * 1024;

export const PREFIXES = { open: "private-cache-todo-", sealed: "private-encrypted-cache-todo-", presence: "presence-todo-" };

const limits = { event_bytes: MAX_LIST_BYTES, client_event_bytes: MAX_LIST_BYTES, client_events_per_second: 100 };
const history = { events: 20, bytes: "2MiB", ttl: "30d", client_events: true, store: "disk" };

/** Neither another list's name nor one without the right signature matches a rule. */
const rules = [
  { channel: `${PREFIXES.open}{claims.list}-{id}`, idsig: true, allow: ALL },
  { channel: `${PREFIXES.sealed}{claims.list}-{id}`, idsig: true, allow: ALL },
  { channel: `${PREFIXES.presence}{claims.list}-{id}`, idsig: true, allow: ["subscribe"] },
];

/** The id "e" belongs to a list under a passphrase, with and without a signature. */
const channels = [
  ...[PREFIXES.open, PREFIXES.sealed].flatMap((prefix) => [`${prefix}*-e`, `${prefix}*-e.*`])
    .map((pattern) => ({ pattern, payload: "ciphertext", history })),
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
