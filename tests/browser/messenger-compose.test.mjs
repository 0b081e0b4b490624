// The messenger as compose.yaml starts it: a Sealcast of its own settings, and the backend beside it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { request } from "node:https";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { toToml } from "../../examples/lib/toml.mjs";
import { SETTINGS } from "../../examples/messenger/backend/settings.mjs";
import { eventually, start } from "./support.mjs";

const Pusher = createRequire(new URL("../../examples/lib/", import.meta.url))("pusher-js");
const TEST = { timeout: 60_000 };
const BUILT = fileURLToPath(new URL("../../target/debug/sealcast", import.meta.url));
const EXAMPLE = fileURLToPath(new URL("../../examples/messenger/", import.meta.url));

describe("compose.yaml", () => {
  test("has two services, of which only the backend has a port", async () => {
    const compose = readYaml(await readFile(join(EXAMPLE, "compose.yaml"), "utf8"));
    assert.deepEqual(Object.keys(compose.services), ["sealcast", "backend"]);
    const { sealcast, backend: page } = compose.services;
    assert.equal(sealcast.ports, undefined);
    assert.deepEqual(page.ports, ["8443:8443"]);
    assert.equal(page.environment.SEALCAST_URL, "http://sealcast:6001");
    for (const { build, environment, volumes } of [sealcast, page]) {
      assert.ok(existsSync(join(EXAMPLE, build.context, build.dockerfile ?? "Dockerfile")), JSON.stringify(build));
      assert.match(environment.SEALCAST_APP_SECRET, /^\$\{SEALCAST_APP_SECRET:\?/);
      for (const volume of volumes.filter((one) => one.startsWith("./"))) assert.ok(existsSync(join(EXAMPLE, volume.split(":")[0])), volume);
      for (const volume of volumes.filter((one) => !one.startsWith("."))) assert.ok(Object.hasOwn(compose.volumes, volume.split(":")[0]), volume);
    }
    assert.ok(existsSync(join(EXAMPLE, "..", page.command[1])));
  });

  test("Sealcast takes its settings, which are those of the start without containers", async (t) => {
    const text = await readFile(join(EXAMPLE, "sealcast.toml"), "utf8");
    const blocks = [...text.matchAll(/\[\[apps\.1001\.channels\]\]\n((?:.+\n)+)/g)].map(([, lines]) => `{ ${lines.trim().split("\n").join(", ")} }`);
    const { channels, limits, ...app } = SETTINGS.app;
    assert.equal(toToml({ channels }).trim(), `channels = [${blocks.join(", ")}]`);
    assert.ok(text.includes(`\nlimits = { ${toToml(limits).trim()} }\n`));
    for (const line of toToml(app).trim().split("\n")) assert.ok(text.split("\n").includes(line), line);
    const folder = await mkdtemp(join(tmpdir(), "sealcast-compose-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, "sealcast.toml"), text);
    const program = process.env.SEALCAST_BIN ?? BUILT;
    await promisify(execFile)(program, ["config", "check", "--config", join(folder, "sealcast.toml")], { env: { SEALCAST_APP_SECRET: "a-secret-for-this-check-alone" }, timeout: 20_000 });
  });
});

describe("the two services", () => {
  const SECRET = "kXk0+a/b=secret-of-this-test-alone";

  /** With the commands and variables of compose.yaml, but for ports and folders. */
  async function both(t) {
    const folder = await mkdtemp(join(tmpdir(), "sealcast-compose-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const compose = readYaml(await readFile(join(EXAMPLE, "compose.yaml"), "utf8"));
    const filled = (environment) => Object.fromEntries(Object.entries(environment)
      .map(([name, value]) => [name, value.replace(/^\$\{SEALCAST_APP_SECRET:.*\}$/, SECRET).replace("${HOST_NAMES:-}", "desk.example")]));
    const variables = ({ environment }, more) => ({ PATH: process.env.PATH, ...filled(environment), ...more });
    const { sealcast, backend } = compose.services;
    const program = process.env.SEALCAST_BIN ?? BUILT;
    const args = sealcast.command.map((word) => (word === "/etc/sealcast.toml" ? join(EXAMPLE, "sealcast.toml") : word));
    const env = variables(sealcast, { SEALCAST_LISTEN: "127.0.0.1:0", SEALCAST_STATE_DIR: join(folder, "sealcast") });
    const server = await start(program, args, { env }, /listening on (http:\/\/\S+)\s/);
    t.after(() => server.stop());
    const [node, ...script] = backend.command;
    assert.equal(node, "node");
    const launch = (more, announced) => start(process.execPath, script, {
      cwd: join(EXAMPLE, ".."), env: variables(backend, { PORT: "0", STATE_DIR: join(folder, "backend"), SEALCAST_URL: server.match[1], ...more }),
    }, announced);
    const page = await launch({}, /messenger on (https:\S+)\n/);
    t.after(() => page.stop());
    return { url: page.match[1], page, server, launch };
  }

  function ask(url, path, { body, cookie, token, host, origin = new URL(url).origin } = {}) {
    return new Promise((resolve, reject) => {
      const headers = { origin, ...(host && { host }), ...(body && { "content-type": "application/json" }), ...(cookie && { cookie }), ...(token && { authorization: `Bearer ${token}` }) };
      const call = request(new URL(path, url), { method: body ? "POST" : "GET", headers, rejectUnauthorized: false, agent: false, timeout: 15_000 }, async (response) => {
        let text = "";
        for await (const chunk of response) text += chunk;
        resolve({ status: response.statusCode, headers: response.headers, body: text ? JSON.parse(text) : null });
      });
      call.on("error", reject);
      call.end(body && JSON.stringify(body));
    });
  }

  const cookieOf = ({ headers }) => headers["set-cookie"][0].split(";", 1)[0];

  test("log people in, let them subscribe, and end a login", TEST, async (t) => {
    const { url, server } = await both(t);
    const made = await ask(url, "/auth/register", { body: { user: "ann", password: "correct horse battery" } });
    assert.equal(made.status, 200, JSON.stringify(made.body));
    assert.match(made.headers["set-cookie"][0], /; HttpOnly; SameSite=Strict; .*Secure/);
    const { url: line, app } = (await ask(url, "/config.json")).body;
    assert.equal(line, new URL(url).origin);
    assert.equal((await ask(url, "/config.json", { host: `desk.example:${new URL(url).port}` })).body.url, `https://desk.example:${new URL(url).port}`);
    assert.equal((await ask(url, "/config.json", { host: "other.example" })).status, 421);
    let socketId;
    const allowed = (channel, id = socketId) => ask(url, `/apps/${app}/auth/channel`, { token: made.body.token, origin: "https://localhost:8443", body: { socket_id: id, channel_name: channel } });
    const thief = await openLine(t, server.match[1], { customHandler: ({ socketId: id, channelName }, answer) => {
      socketId = id;
      allowed(channelName).then(({ body }) => answer(null, body), (error) => answer(error, null));
    } });
    const channel = thief.pusher.subscribe("private-user-ann");
    await eventually("the subscription", () => channel.subscribed);
    assert.equal((await allowed("private-user-bob")).status, 403);
    await ask(url, "/auth/logout", { body: {}, cookie: cookieOf(made) });
    await thief.next("pusher:subscription_error");
    assert.equal((await allowed("private-user-ann")).status, 401);
    assert.equal((await ask(url, "/rooms", { token: made.body.token })).status, 401);
  });

  test("an old cookie ends nothing; passwords cannot be tried without an end", TEST, async (t) => {
    const { url } = await both(t);
    const account = { user: "ann", password: "correct horse battery" };
    const first = await ask(url, "/auth/register", { body: account });
    const second = await ask(url, "/auth/login", { body: account });
    await ask(url, "/auth/logout", { body: {}, cookie: cookieOf(first) });
    await ask(url, "/auth/logout", { body: { isEverywhere: true }, cookie: cookieOf(first) });
    assert.equal((await ask(url, "/rooms", { token: second.body.token })).status, 200);
    await ask(url, "/auth/logout", { body: { isEverywhere: true }, cookie: cookieOf(second) });
    assert.equal((await ask(url, "/rooms", { token: second.body.token })).status, 401);

    const tries = [];
    for (let i = 0; i < 30; i++) tries.push(...(await Promise.all([1, 2, 3].map((j) => ask(url, "/auth/login", { body: { user: `User ${i} ${j}`, password: "x" } })))));
    const late = tries.filter(({ status }) => status === 429);
    assert.ok(late.length > 0, "another name for each try is limited, too");
    assert.match(late[0].body.error, /^That was too often\. Try again in \d+ s\.$/);
  });

  test("a wrong start says what to do", TEST, async (t) => {
    const { url, launch } = await both(t);
    const fails = (more, announced) => launch(more, announced).then(({ match, stop }) => stop().then(() => match[0]));
    await fails({ PORT: new URL(url).port, STATE_DIR: await folderFor(t) }, /^Port \d+ is taken\. Choose another one with PORT=\.\.\.$/m);
    await fails({ SEALCAST_APP_KEY: "" }, /^SEALCAST_URL needs SEALCAST_APP_KEY, too\./m);
  });
});

async function folderFor(t) {
  const folder = await mkdtemp(join(tmpdir(), "sealcast-compose-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A client that is not the page, and does not leave by itself. */
async function openLine(t, url, channelAuthorization) {
  const { hostname, port } = new URL(url);
  const pusher = new Pusher("messenger-key", {
    cluster: "", wsHost: hostname, wsPort: Number(port), forceTLS: false, enabledTransports: ["ws"], enableStats: false, channelAuthorization,
  });
  t.after(() => pusher.disconnect());
  const seen = [];
  pusher.bind_global((event, data) => seen.push({ event, data }));
  return { pusher, next: (event) => eventually(event, () => seen.find((one) => one.event === event)) };
}

/**
 * Reads the part of YAML that a plain compose file needs: maps, lists, quoted and bare scalars, lists
 * in brackets. Everything else is an error, so that nothing is overlooked.
 */
function readYaml(text) {
  const lines = text.split("\n").map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => !/^\s*(?:#|$)/.test(line))
    .map(({ line, number }) => ({ number, indent: line.search(/\S/), text: line.trim() }));
  let at = 0;

  function block(indent) {
    return lines[at].text.startsWith("- ") ? list(indent) : map(indent);
  }

  function list(indent) {
    const items = [];
    while (at < lines.length && lines[at].indent === indent) {
      const { text: item, number } = lines[at++];
      if (!item.startsWith("- ")) throw new SyntaxError(`line ${number}: an item of a list begins with "- "`);
      items.push(scalar(item.slice(2), number));
    }
    return items;
  }

  function map(indent) {
    const object = {};
    while (at < lines.length && lines[at].indent === indent) {
      const { text: entry, number } = lines[at++];
      const [, key, value] = /^([\w-]+):(?: +(.+))?$/.exec(entry) ?? [];
      if (!key || Object.hasOwn(object, key)) throw new SyntaxError(`line ${number}: this is no new key`);
      const isDeeper = at < lines.length && lines[at].indent > indent;
      object[key] = value !== undefined ? scalar(value, number) : isDeeper ? block(lines[at].indent) : null;
    }
    return object;
  }

  const root = block(0);
  if (at < lines.length) throw new SyntaxError(`line ${lines[at].number}: this is indented too far`);
  return root;
}

function scalar(text, number) {
  if (/^(?:"[^"\\]*"|\[.*\])$/.test(text)) return JSON.parse(text);
  if (/^[\w./-][\w./:@-]*$/.test(text)) return text;
  throw new SyntaxError(`line ${number}: "${text}" is not understood here`);
}
