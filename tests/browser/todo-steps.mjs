// What the tests of examples/todo do with its backend, without a browser. `SEALCAST_BIN` as in support.mjs.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { start } from "./support.mjs";

const SERVER = fileURLToPath(new URL("../../examples/todo/server.mjs", import.meta.url));
const BUILT = fileURLToPath(new URL("../../target/debug/sealcast", import.meta.url));
export const TEST = { timeout: 60_000 };
export const DEVICE = { device: "device-1", label: "computer" };

export async function startTodo(t, env = {}) {
  const home = await mkdtemp(join(tmpdir(), "sealcast-todo-"));
  const options = { env: { SEALCAST_BIN: BUILT, ...process.env, PORT: "0", STATE_DIR: home, ...env } };
  let server;
  t.after(async () => {
    await server?.stop();
    await rm(home, { recursive: true, force: true });
  });
  server = await start(process.execPath, [SERVER], options, /todo on (\S+)\nSealcast on \S+ \(process (\d+)\)\n[^]*The stranger is (\S+)\n/);
  const [, url, sealcastPid, stranger] = server.match;
  const config = await (await fetch(`${url}/config.json`)).json();
  return { url, stranger, config, home, output: server.output, sealcastPid: Number(sealcastPid) };
}

/** A person with a cookie of their own. */
export function person({ url }) {
  let cookie = "";
  return async function ask(method, path, body, headers = {}) {
    const answer = await fetch(url + path, {
      method,
      headers: { origin: url, cookie, ...(body && { "content-type": "application/json" }), ...headers },
      body: body && JSON.stringify(body),
    });
    cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? cookie;
    return { status: answer.status, ...(answer.status === 204 ? {} : await answer.json()) };
  };
}

/** Somebody with a name and a cookie, and their id. */
export async function signedUp(todo, name) {
  const ask = person(todo);
  const { user } = await ask("POST", "/users", { name });
  return { ask, id: user.id };
}

const headersOf = (pass, origin) => ({ origin, authorization: `Bearer ${pass.token}`, "content-type": "application/json" });

/** The status of the answer, with its code if it has one. */
export async function publish({ url, config }, pass, data, { origin = url, channel = pass.channel } = {}) {
  const answer = await fetch(`${config.url}/app/${pass.app.key}/events`, {
    method: "POST", headers: headersOf(pass, origin), body: JSON.stringify({ name: "client-list", channel, data }),
  });
  return [answer.status, (await answer.json()).code].filter(Boolean).join(" ");
}

export async function last({ url, config }, pass, channel = pass.channel) {
  const answer = await fetch(`${config.url}/app/${pass.app.key}/channels/${channel}/last`, { headers: headersOf(pass, url) });
  return answer.status;
}
