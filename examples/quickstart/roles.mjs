// Tokens that say who somebody is. Sealcast's rules decide what that opens.

import { Refusal, signJwt } from "../lib/server.mjs";

/** Short: a role that is taken away ends with its token. */
const SECONDS = readSeconds(process.env.TOKEN_SECONDS ?? "900");

function readSeconds(text) {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  console.error(`TOKEN_SECONDS is "${text}", which is no number of seconds. Write it like TOKEN_SECONDS=900, or leave it out.`);
  process.exit(1);
}

/** Anybody may be anything here. A real backend takes user and role from its session. */
export function roleToken(secret, body) {
  const { id, name, role } = body ?? {};
  if (typeof id !== "string" || !/^[0-9a-f]{16}$/.test(id) || typeof name !== "string" || name.trim() === "") {
    throw new Refusal(400, "A token needs an id and a name.");
  }
  const now = Math.floor(Date.now() / 1000);
  const token = signJwt(secret, {
    sub: id, role: storedRole(role), user_info: { name: name.slice(0, 40), role }, iat: now, exp: now + SECONDS,
  });
  return { token, seconds: SECONDS };
}

function storedRole(role) {
  // A fault on purpose: the page has to tell it from a refusal.
  if (role === "fault") throw new Error("The table of roles is out of reach. (The visitor chose to see this.)");
  if (role !== "staff" && role !== "guest") throw new Refusal(400, "A role is staff or guest.");
  return role;
}
