// Accounts, long-term public keys, and tokens for Sealcast. No message and no private key comes here.

import { rateLimit } from "../lib/http.mjs";
import { importAgreementKey } from "../lib/pairs.js";
import { Refusal, stateFolder, startExample } from "../lib/server.mjs";
import { openAccounts } from "./accounts.mjs";

const COOKIE = "e2ee_chat_session";
const SESSION_SECONDS = 30 * 86_400;
const TOKEN_SECONDS = 3600;
const SIGN_INS_PER_MINUTE = 30;
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._'-]{0,29}$/u;

const folder = new URL(".", import.meta.url);
const accounts = openAccounts(stateFolder(folder));
const secondsToWait = rateLimit(SIGN_INS_PER_MINUTE);

await startExample({
  name: "e2ee-chat",
  folder,
  pages: ["/verify"],
  sealcast: {
    app: {
      mode: "blind",
      client_events: true,
      // One channel for each pair of people here, and a hundred messages that waited an hour.
      limits: { presence_members: 50, client_events_per_second: 30 },
    },
  },
  routes: {
    "GET /me": async ({ cookies }) => {
      const account = accounts.ofSession(cookies[COOKIE]);
      return { account: account ? publicPart(account) : null };
    },
    "POST /accounts": async (context) => {
      const { name, password } = credentials(context);
      const account = await accounts.create(name, password);
      if (!account) throw new Refusal(409, `“${name}” is taken. Choose another name, or sign in.`);
      return signIn(context, account);
    },
    "POST /sessions": async (context) => {
      const { name, password } = credentials(context);
      const account = await accounts.withPassword(name, password);
      if (!account) throw new Refusal(403, "Name and password do not fit. Check both.");
      return signIn(context, account);
    },
    "POST /sessions/end": async (context) => {
      const account = accountOf(context);
      accounts.endSession(context.cookies[COOKIE]);
      context.setCookie(COOKIE, "", { maxAge: 0 });
      await context.api.revokeUser(account.id);
    },
    "POST /key": async (context) => {
      const account = accountOf(context);
      const { key, replaces = null } = context.body ?? {};
      await importAgreementKey(key).catch(() => {
        throw new Refusal(400, "This is no public key on P-256.");
      });
      const isText = replaces === null || typeof replaces === "string";
      if (!isText || !accounts.setKey(account.id, key, replaces)) {
        throw new Refusal(409, "Another browser was faster. Reload this page.");
      }
      // Tokens name the old key to everybody.
      if (account.publicKey !== null && account.publicKey !== key) await context.api.revokeUser(account.id);
    },
    "POST /token": async (context) => {
      const { id, name, publicKey } = accountWithKey(context);
      const { token } = await context.api.accessToken({
        user: id,
        channels: ["presence-chat", `private-dm-${id}.*`, `private-dm-*.${id}`],
        info: { name, key: publicKey },
        ttl: TOKEN_SECONDS,
        origin: context.origin,
      });
      // A revocation in between has missed a token that was made after it.
      accountWithKey(context);
      // Not a date: the clock of the browser may be wrong.
      return { token, seconds: TOKEN_SECONDS };
    },
  },
});

const publicPart = ({ id, name, publicKey }) => ({ id, name, key: publicKey });

function credentials({ body, address }) {
  const wait = secondsToWait(address);
  if (wait > 0) throw new Refusal(429, `Too many attempts. Try again in ${wait} s.`, { retryAfter: wait });
  const name = typeof body?.name === "string" ? body.name.normalize("NFC").trim() : "";
  const { password } = body ?? {};
  if (!NAME.test(name)) throw new Refusal(400, "A name has 1 to 30 letters and digits.");
  if (typeof password !== "string" || password.length < 8 || password.length > 200) {
    throw new Refusal(400, "A password has at least 8 characters.");
  }
  return { name, password };
}

function signIn(context, account) {
  context.setCookie(COOKIE, accounts.newSession(account.id, SESSION_SECONDS), { maxAge: SESSION_SECONDS });
  return publicPart(account);
}

/** The account, if the key of the browser that asks is still its key. */
function accountWithKey(context) {
  const account = accountOf(context);
  if (account.publicKey === null || context.body?.key !== account.publicKey) {
    throw new Refusal(409, "Another browser has made a new key for this account.");
  }
  return account;
}

function accountOf({ cookies }) {
  const account = accounts.ofSession(cookies[COOKIE]);
  if (!account) throw new Refusal(401, "You are signed out. Sign in again.");
  return account;
}
