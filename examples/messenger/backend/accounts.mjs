// Passwords, logins and their tokens.
//
// A login is a family of refresh tokens. Each is taken once; its successor is an HMAC, so that a
// lost answer can be given again for a minute without storing any token. A token used twice after
// that was stolen from somebody, and ends the family.

import { createHash, createHmac, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Refusal } from "../../lib/http.mjs";

const REPEAT_MS = 60_000;
const FAMILY_DAYS = 30;
const TELL_AGAIN_MS = 1000;
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const USER = /^[a-z][a-z0-9_]{1,19}$/;
export const isUser = (user) => typeof user === "string" && USER.test(user);

const derive = promisify(scrypt);
const hashOf = (text) => createHash("sha256").update(text).digest();

function serverKey(folder) {
  const file = join(folder, "refresh-key");
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString("hex"), { mode: 0o600, flag: "wx" });
  return Buffer.from(readFileSync(file, "utf8").trim(), "hex");
}

export function openAccounts({ database, folder, api, tokenSeconds, channelsOf, now = Date.now }) {
  const key = serverKey(folder);
  const macOf = (family, n) => createHmac("sha256", key).update(`${family}.${n}`).digest("base64url");
  let telling = null;
  let timer;
  const refreshToken = (family, n) => `${family}.${n}.${macOf(family, n)}`;

  async function register(user, password) {
    if (!isUser(user)) throw new Refusal(400, "A name has 2 to 20 small letters, digits or _, and begins with a letter.");
    if (typeof password !== "string" || password.length < 8 || password.length > 200) {
      throw new Refusal(400, "Choose a password of at least 8 characters.");
    }
    const salt = randomBytes(16);
    const hash = await derive(password, salt, 32, COST);
    const { changes } = database.run("INSERT OR IGNORE INTO users (id, salt, hash) VALUES (?, ?, ?)", user, salt, hash);
    if (changes === 0) throw new Refusal(409, "This name is taken. Log in, or choose another one.");
  }

  async function checkPassword(user, password) {
    const wrong = new Refusal(401, "Name and password do not fit. Try again.");
    if (!isUser(user) || typeof password !== "string") throw wrong;
    const found = database.get("SELECT salt, hash FROM users WHERE id = ?", user);
    // The same work without an account, so that the time tells nothing.
    const hash = await derive(password.slice(0, 200), found?.salt ?? Buffer.alloc(16), 32, COST);
    if (!found || !timingSafeEqual(hash, found.hash)) throw wrong;
  }

  function begin(user) {
    const id = randomBytes(16).toString("hex");
    database.run("INSERT INTO families (id, user, n, issued) VALUES (?, ?, 1, ?)", id, user, now());
    return { family: id, user, refresh: refreshToken(id, 1) };
  }

  /** The family of a cookie, and its number; nothing for a cookie that this server did not make. */
  function readCookie(cookie) {
    const [id, number, mac] = String(cookie ?? "").split(".");
    const n = Number(number);
    if (!mac || !Number.isSafeInteger(n)) return null;
    const [given, made] = [Buffer.from(mac), Buffer.from(macOf(id, n))];
    if (given.length !== made.length || !timingSafeEqual(given, made)) return null;
    const family = database.get("SELECT id, user, n, issued, ended FROM families WHERE id = ?", id);
    return family ? { family, n } : null;
  }

  /** `{ family, user, refresh }`, or a refusal; a stolen token ends its family. */
  async function rotate(cookie) {
    const read = readCookie(cookie);
    if (!read) throw new Refusal(401, "Log in first.", { code: "no_login" });
    const outcome = database.together(() => {
      const { n } = read;
      const family = database.get("SELECT id, user, n, issued, ended FROM families WHERE id = ?", read.family.id);
      if (family.ended || now() - family.issued > FAMILY_DAYS * 86_400_000) return { state: "ended" };
      // The newest one is used for the first time: from now on the one before it is old.
      if (n === family.n) {
        database.run("UPDATE families SET n = ?, issued = ? WHERE id = ?", n + 1, now(), family.id);
        return { state: "good", user: family.user, n: n + 1 };
      }
      // Its successor was made and not used yet: the answer was lost, or tabs asked at once.
      if (n === family.n - 1 && now() - family.issued <= REPEAT_MS) return { state: "good", user: family.user, n: family.n };
      return { state: "stolen" };
    });
    if (outcome.state === "good") return { family: read.family.id, user: outcome.user, refresh: refreshToken(read.family.id, outcome.n) };
    if (outcome.state === "stolen") await end(read.family.id);
    throw new Refusal(401, outcome.state === "stolen"
      ? "An old login was used again, so this login was ended everywhere. Log in anew."
      : "This login has ended. Log in again.", { code: outcome.state });
  }

  /** A token for Sealcast, which is the token for this backend, too. */
  async function access({ family, user }) {
    for (;;) {
      const channels = channelsOf(user);
      const made = await api.accessToken({ user, channels, allow: ["subscribe", "client_events"], ttl: tokenSeconds, info: {} });
      database.run("DELETE FROM access WHERE expires < ?", now());
      database.run("INSERT INTO access (hash, jti, family, user, expires) VALUES (?, ?, ?, ?, ?)",
        hashOf(made.token), made.jti, family, user, now() + tokenSeconds * 1000);
      // A logout, or a removal from a room, may have come in between.
      const isOver = database.get("SELECT ended FROM families WHERE id = ?", family).ended;
      const present = new Set(channelsOf(user));
      if (!isOver && channels.every((channel) => present.has(channel))) return { user, token: made.token, seconds: tokenSeconds, now: now() };
      await revoke([made]);
      if (isOver) throw new Refusal(401, "This login has ended. Log in again.", { code: "ended" });
    }
  }

  function authenticate(request) {
    const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "") ?? [];
    const found = token && database.get("SELECT user, family, expires FROM access WHERE hash = ?", hashOf(token));
    if (!found || found.expires < now()) throw new Refusal(401, "This token has ended.", { code: "token" });
    return found;
  }

  async function revoke(tokens) {
    database.together(() => {
      for (const { jti } of tokens) {
        database.run("INSERT OR IGNORE INTO revocations (jti, expires) SELECT jti, expires FROM access WHERE jti = ?", jti);
        database.run("DELETE FROM access WHERE jti = ?", jti);
      }
    });
    await settled();
  }

  /** Resolves once Sealcast was told of each revocation. Those it did not take are kept, and told again. */
  const settled = () => (telling ??= tellAll().finally(() => (telling = null)));

  async function tellAll() {
    clearTimeout(timer);
    database.run("DELETE FROM revocations WHERE expires < ?", now());
    const failed = new Set();
    const waiting = () => database.all("SELECT jti FROM revocations").filter(({ jti }) => !failed.has(jti));
    for (let some; (some = waiting()).length > 0; ) await Promise.all(some.map(({ jti }) => tell(jti).catch(() => failed.add(jti))));
    if (failed.size > 0) timer = setTimeout(settled, TELL_AGAIN_MS).unref();
  }

  async function tell(jti) {
    await api.revokeToken(jti);
    database.run("DELETE FROM revocations WHERE jti = ?", jti);
  }

  /** Sealcast ends every subscription that was made with a token of this family. */
  async function end(family) {
    database.run("UPDATE families SET ended = 1 WHERE id = ?", family);
    await revoke(database.all("SELECT jti FROM access WHERE family = ?", family));
  }

  async function endAll(user) {
    const families = database.all("SELECT id FROM families WHERE user = ? AND ended = 0", user);
    for (const { id } of families) await end(id);
  }

  /** After a removal: the next token of this person has other channels. */
  const revokeTokens = (user) => revoke(database.all("SELECT jti FROM access WHERE user = ?", user));
  const exists = (user) => Boolean(database.get("SELECT 1 FROM users WHERE id = ?", String(user)));

  // Of the run before.
  settled();
  return {
    register, checkPassword, begin, readCookie, rotate, access, authenticate, end, endAll, revokeTokens, exists, settled,
    stop: () => clearTimeout(timer),
  };
}
