// The backend of examples/e2ee-chat without a browser: who may ask for what, and races.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { exportPublic, newAgreementPair } from "../../examples/lib/crypto.js";

const SERVER = fileURLToPath(new URL("../../examples/e2ee-chat/server.mjs", import.meta.url));
const BUILT = fileURLToPath(new URL("../../target/debug/sealcast", import.meta.url));
const newKey = async () => exportPublic((await newAgreementPair()).publicKey);

async function startBackend(t) {
  const stateDir = await mkdtemp(join(tmpdir(), "e2ee-chat-"));
  const env = { SEALCAST_BIN: BUILT, ...process.env, PORT: "0", STATE_DIR: stateDir };
  const child = spawn(process.execPath, [SERVER], { env, stdio: ["ignore", "pipe", "ignore"] });
  t.after(async () => {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
    await rm(stateDir, { recursive: true, force: true });
  });
  let output = "";
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    output += chunk;
    if (output.includes("Sealcast on")) break;
  }
  const [, url] = /e2ee-chat on (\S+)/.exec(output);
  return async function ask(method, path, body, cookie) {
    const headers = { Origin: url, "Content-Type": "application/json", ...(cookie && { Cookie: cookie }) };
    const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(10_000) });
    return { status: response.status, cookie: response.headers.get("set-cookie")?.split(";", 1)[0], body: await response.json().catch(() => null) };
  };
}

const earlyInASecond = () => new Promise((resolve) => setTimeout(resolve, 1010 - (Date.now() % 1000)));

test("the backend of the chat", { timeout: 40_000 }, async (t) => {
  const ask = await startBackend(t);
  const { cookie } = await ask("POST", "/accounts", { name: "Ann", password: "a long password" });
  const setKey = (key, replaces) => ask("POST", "/key", { key, replaces }, cookie);
  const keys = await Promise.all(Array.from({ length: 4 }, newKey));

  await t.test("takes a key only in place of the known one, whatever it is asked", async () => {
    for (const replaces of [{}, [], true, 5, "x"]) assert.equal((await setKey(keys[0], replaces)).status, 409, JSON.stringify(replaces));
    for (const key of [null, 1, {}, "", "A".repeat(87)]) assert.equal((await setKey(key, null)).status, 400, JSON.stringify(key));
    assert.equal((await setKey(keys[0], null)).status, 204);
    assert.equal((await setKey(keys[1], null)).status, 409);
    assert.equal((await ask("POST", "/key", { key: keys[1], replaces: keys[0] })).status, 401);
  });

  // After a revocation Sealcast makes tokens in the next second only, so a request early in a second waits.
  await t.test("gives no token for a key that was replaced while Sealcast made it", async () => {
    await earlyInASecond();
    assert.equal((await setKey(keys[1], keys[0])).status, 204);
    const token = ask("POST", "/token", { key: keys[1] }, cookie);
    assert.equal((await setKey(keys[2], keys[1])).status, 204);
    assert.equal((await token).status, 409);
    assert.equal((await ask("POST", "/token", { key: keys[2] }, cookie)).status, 200);
  });

  await t.test("gives no token to who signed out meanwhile", async () => {
    await earlyInASecond();
    assert.equal((await setKey(keys[3], keys[2])).status, 204);
    const token = ask("POST", "/token", { key: keys[3] }, cookie);
    assert.equal((await ask("POST", "/sessions/end", {}, cookie)).status, 204);
    assert.equal((await token).status, 401);
  });
});
