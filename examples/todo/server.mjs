// A to-do list in layers. The backend knows users, members and layers; the list itself is a snapshot
// in a channel of Sealcast.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stateFolder, startExample } from "../lib/server.mjs";
import { attackRoutes } from "./attacks.mjs";
import { listRoutes } from "./routes.mjs";
import { DOOR, LAX, sealcastSettings } from "./settings.mjs";
import { openStore } from "./store.mjs";

const folder = new URL(".", import.meta.url);
const passSeconds = Number(process.env.PASS_SECONDS ?? 60);
if (!Number.isInteger(passSeconds) || passSeconds < 2 || passSeconds > 86_400) {
  endWith(`PASS_SECONDS is "${process.env.PASS_SECONDS}". Give whole seconds from 2 to 86400, or leave it out.`);
}
const stateDir = stateFolder(folder);
mkdirSync(stateDir, { recursive: true, mode: 0o700 });
const secrets = keptSecrets(join(stateDir, "todo-secrets.json"));
const store = openStore(join(stateDir, "todo.db"));
const backend = { secrets, store, stateDir, passSeconds, pages: [] };

const example = await startExample({
  name: "todo",
  folder,
  ports: 2,
  trustStranger: false,
  bodyBytes: 256 * 1024,
  perMinute: 3000,
  sealcast: ({ origins }) => {
    backend.pages.push(...origins);
    return sealcastSettings({ secrets, origins });
  },
  config: ({ origin, secure }) => ({
    now: Date.now(),
    strangers: strangersOf(origin),
    // Under TLS pages reach Sealcast through this server, which passes no signed requests on.
    ...(!secure && { door: { id: DOOR, ...secrets[DOOR] } }),
  }),
  // Only the two origins of this example may show each other in a frame, or call each other under TLS.
  csp: { "frame-src": backend.pages, "frame-ancestors": backend.pages, "connect-src": backend.pages },
  routes: { ...listRoutes(backend), ...attackRoutes(backend) },
});
process.once("exit", () => store.close());
console.log(`The stranger is ${example.origins[1]}`);

/** The same machine on the other port. */
function strangersOf(origin) {
  const { hostname, protocol } = new URL(origin);
  return backend.pages.filter((page) => page !== origin && new URL(page).hostname === hostname && page.startsWith(protocol));
}

/** Names of lists and passes hang on these, so they outlive a restart. */
function keptSecrets(file) {
  if (!existsSync(file)) {
    const random = () => randomBytes(24).toString("base64url");
    const made = Object.fromEntries([LAX, DOOR].map((id) => [id, { key: `todo-${id}`, secret: random() }]));
    const lax = { ...made[LAX], masterKey: `base64:${randomBytes(32).toString("base64")}` };
    writeFileSync(file, JSON.stringify({ ...made, [LAX]: lax }), { mode: 0o600, flag: "wx" });
  }
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    return endWith(`${file} cannot be read: ${error.message} Restore it, or delete its folder to begin anew.`);
  }
}

function endWith(sentence) {
  console.error(sentence);
  process.exit(1);
}
