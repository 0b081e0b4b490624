// The messenger's backend: accounts, public keys, and rooms of ciphertext. README.md tells more.
//
// SEALCAST_URL, with SEALCAST_APP_ID, SEALCAST_APP_KEY and SEALCAST_APP_SECRET, names a Sealcast
// that runs already, as in compose.yaml; else one is started here.

import { rateLimit, Refusal } from "../lib/http.mjs";
import { serverApi, servePages, startExample, stateFolder } from "../lib/server.mjs";
import { isUser, openAccounts } from "./backend/accounts.mjs";
import { openDevices } from "./backend/devices.mjs";
import { openRelay } from "./backend/relay.mjs";
import { openRooms } from "./backend/rooms.mjs";
import { SETTINGS } from "./backend/settings.mjs";
import { openDatabase } from "./backend/store.mjs";

const COOKIE = "messenger_refresh";
const COOKIE_SECONDS = 30 * 86_400;
const LOGINS_PER_MINUTE = 10;
/** Of one address, because each costs a hash of 32 MiB. */
const PASSWORDS_PER_MINUTE = 60;
const MESSAGES_PER_MINUTE = 600;
/** Each costs signatures to check. To remove a device takes one for every room. */
const CHANGES_PER_MINUTE = 120;
const TOKENS_PER_MINUTE = 120;

const folder = new URL(".", import.meta.url);
const stateDir = stateFolder(folder);
const database = openDatabase(stateDir);
const devices = openDevices({ database });
const rooms = openRooms({ database, devices });
let api;
const lateApi = new Proxy({}, { get: (_, name) => (...values) => api[name](...values) });
const relay = openRelay({ api: lateApi });
const accounts = openAccounts({
  database, folder: stateDir, api: lateApi, channelsOf: rooms.channelsOf, tokenSeconds: Number(process.env.TOKEN_SECONDS ?? 900),
});

const limits = {
  login: rateLimit(LOGINS_PER_MINUTE), password: rateLimit(PASSWORDS_PER_MINUTE), message: rateLimit(MESSAGES_PER_MINUTE),
  change: rateLimit(CHANGES_PER_MINUTE), token: rateLimit(TOKENS_PER_MINUTE),
};

function limit(kind, key) {
  const wait = limits[kind](key);
  if (wait > 0) throw new Refusal(429, `That was too often. Try again in ${wait} s.`, { retryAfter: wait });
}

/** A name of any length would fill the memory as the key of a rate. */
function limitPasswords({ address }, user) {
  limit("password", address);
  if (isUser(user)) limit("login", user);
}

/* ---- logins ------------------------------------------------------------------------------- */

const setRefresh = (context, value) =>
  context.setCookie(COOKIE, value, { path: "/auth", maxAge: value === "" ? 0 : COOKIE_SECONDS });

async function logIn(context) {
  const session = accounts.begin(context.body.user);
  const access = await accounts.access(session);
  setRefresh(context, session.refresh);
  return access;
}

const auth = {
  async "POST /auth/register"(context) {
    const { user, password } = context.body ?? {};
    limitPasswords(context, user);
    await accounts.register(user, password);
    return logIn(context);
  },
  async "POST /auth/login"(context) {
    const { user, password } = context.body ?? {};
    limitPasswords(context, user);
    await accounts.checkPassword(user, password);
    return logIn(context);
  },
  async "POST /auth/refresh"(context) {
    // Not a refusal: a first visit.
    if (context.cookies[COOKIE] === undefined) return { user: null };
    try {
      const session = await accounts.rotate(context.cookies[COOKIE]);
      // First, so that the answer has it also while Sealcast is away.
      setRefresh(context, session.refresh);
      return await accounts.access(session);
    } catch (error) {
      if (error.status === 401) setRefresh(context, "");
      throw error;
    }
  },
  async "POST /auth/logout"(context) {
    const read = accounts.readCookie(context.cookies[COOKIE]);
    setRefresh(context, "");
    if (!read || read.family.ended) return;
    if (context.body?.isEverywhere) await accounts.endAll(read.family.user);
    else await accounts.end(read.family.id);
  },
};

/* ---- everything else needs a token -------------------------------------------------------- */

const withUser = (handler, kind) => (context) => {
  const { user, family } = accounts.authenticate(context.request);
  if (kind) limit(kind, user);
  return handler({ ...context, user, family, body: context.body ?? {} });
};

const people = {
  "POST /token": ({ user, family }) => accounts.access({ user, family }),
  "GET /people/:user": ({ user, params }) => ({
    logs: devices.logsOf(params.user),
    isKnown: accounts.exists(params.user),
    ...(params.user === user && { pending: devices.pendingOf(user) }),
  }),
  async "POST /devices"({ user, body }) {
    devices.wait(user, body.device);
    await relay.nudge(user, { devices: user });
  },
  async "POST /devices/refuse"({ user, body }) {
    devices.refuse(user, body.id);
    await relay.nudge(user, { devices: user });
  },
  async "POST /devices/log"({ user, body }) {
    await devices.append(user, body.entry, body.isRestart === true);
    await relay.nudgeAll([user, ...rooms.acquaintances(user)], { devices: user });
  },
};

const talks = {
  "GET /rooms": ({ user }) => ({ rooms: rooms.roomsOf(user), now: Date.now() }),
  async "POST /rooms"({ user, body }) {
    const { rows, people: members } = await rooms.create(user, body);
    await relay.nudgeAll(members, { rooms: true });
    return { rows };
  },
  async "POST /rooms/:id/changes"({ user, params, body }) {
    const { rows, removed, added } = await rooms.change(user, params.id, body);
    await relay.nudgeAll(rooms.membersOf(params.id), added || removed ? { room: params.id, rooms: true } : { room: params.id });
    if (removed) {
      await relay.nudge(removed, { room: params.id, rooms: true });
      await accounts.revokeTokens(removed);
    }
    return { rows };
  },
  async "POST /rooms/:id/messages"({ user, params, body }) {
    for (const _ of [body.messages].flat()) limit("message", user);
    const added = rooms.addMessages(user, params.id, body.messages);
    const members = rooms.membersOf(params.id);
    for (const { row, isNew } of added) if (isNew) relay.message(params.id, members, row);
    return { rows: added.map(({ row }) => row) };
  },
  async "POST /rooms/:id/deletions"({ user, params, body }) {
    const row = rooms.deleteMessage(user, params.id, body);
    if (row) await relay.nudgeAll(rooms.membersOf(params.id), { room: params.id });
    // Readers of the file must not find the old page in the journal.
    database.settle();
    return { row };
  },
  async "POST /rooms/:id/marks"({ user, params, body }) {
    limit("message", `mark ${user}`);
    await relay.mark(params.id, user, rooms.setMark(user, params.id, body));
  },
  "GET /rooms/:id/rows": ({ user, params, query }) => rooms.rowsAfter(user, params.id, Math.max(0, Number(query.get("after")) || 0)),
};

const RATES = {
  "POST /token": "token", "POST /devices": "change", "POST /devices/refuse": "change", "POST /devices/log": "change",
  "POST /rooms": "change", "POST /rooms/:id/changes": "change", "POST /rooms/:id/deletions": "message",
};
const guarded = (routes) => Object.fromEntries(Object.entries(routes).map(([route, handler]) => [route, withUser(handler, RATES[route])]));

const options = {
  name: "messenger",
  folder,
  pages: ["/verify"],
  sealcast: SETTINGS,
  perMinute: 6000,
  routes: { ...auth, ...guarded(people), ...guarded(talks) },
};

/** Beside a Sealcast that runs already. */
async function startBeside() {
  const { SEALCAST_URL: url, SEALCAST_APP_ID: id, SEALCAST_APP_KEY: key, SEALCAST_APP_SECRET: secret } = process.env;
  const missing = Object.entries({ SEALCAST_APP_ID: id, SEALCAST_APP_KEY: key, SEALCAST_APP_SECRET: secret }).find(([, value]) => !value);
  if (missing) throw new Error(`SEALCAST_URL needs ${missing[0]}, too. compose.yaml shows all of them.`);
  const app = { id, key, secret };
  api = serverApi({ url: () => url, app });
  const pages = await servePages({ ...options, port: Number(process.env.PORT ?? 0), sealcast: { url, app } });
  console.log(`messenger on ${pages.url}\nSealcast on ${url}`);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(0));
}

if (process.env.SEALCAST_URL) {
  await startBeside().catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
} else {
  ({ api } = await startExample(options));
}
process.once("exit", () => {
  relay.stop();
  accounts.stop();
  database.close();
});
