// A server with a console, real clients of every kind of channel, and planted texts to look for.

import { createHash, randomBytes } from "node:crypto";
import { createServer, request } from "node:http";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { channelAuth, serverApi } from "../../examples/lib/tokens.mjs";
import { toToml } from "../../examples/lib/toml.mjs";
import { eventually, start } from "./support.mjs";

const SEALCAST =
  process.env.SEALCAST_BIN ?? fileURLToPath(new URL("../../target/debug/sealcast", import.meta.url));
const Pusher = createRequire(new URL("../../examples/package.json", import.meta.url))("pusher-js");

export const SEALED = "private-encrypted-orders";
const READY = /listening on (\S+)[\s\S]*?operations on (\S+)/;
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SEALCAST_")));

/** Runs what was pushed last first, after the test, each of it in any case. */
export function endings(t) {
  const all = [];
  t.after(async () => {
    const failures = [];
    for (const end of all.reverse()) await Promise.resolve().then(end).catch((error) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, "not everything could be ended");
  });
  return all;
}

/**
 * A server whose app `shop` seals and whose app `tickets` has no key. `settings` are added to those of
 * the server, `shop` to those of the app. Everything ends with the test.
 */
export async function startConsole(t, { settings = {}, shop = {} } = {}) {
  const ends = endings(t);
  const home = await mkdtemp(join(tmpdir(), "sealcast-console-"));
  ends.push(() => rm(home, { recursive: true, force: true }));
  const secrets = {
    adminToken: `canary-admin-${randomBytes(12).toString("hex")}`,
    appSecret: `canary-secret-${randomBytes(12).toString("hex")}`,
    masterKey: randomBytes(32).toString("base64"),
  };
  const app = { id: "shop", key: "shop-key", secret: secrets.appSecret };
  const config = (changes = {}) => toToml({
    listen: "127.0.0.1:0", ops_listen: "127.0.0.1:0", state_dir: home, log: "warn", drain_seconds: 0, watch_config: false,
    admin_token: secrets.adminToken, console: "local", console_reveal: "ask", audit_file: join(home, "audit.jsonl"),
    ...settings, ...changes,
    apps: {
      shop: { key: app.key, secret: app.secret, master_key: secrets.masterKey, authorizer: "open", client_events: true, ...shop },
      tickets: { key: "blind-key", secret: "blind-secret-of-the-test", authorizer: "open" },
    },
  });

  const file = join(home, "sealcast.toml");
  let running;
  const launch = async (changes) => {
    await writeFile(file, config(changes), { mode: 0o600 });
    running = await start(SEALCAST, ["serve", "--config", file], { env }, READY);
  };
  await launch({});
  ends.push(() => running.stop());
  const [, url, opsUrl] = running.match;
  const addresses = { listen: new URL(url).host, ops_listen: new URL(opsUrl).host };
  const admin = (method, path, body) => overSocket(join(home, "admin.sock"), method, path, body);

  return {
    url, opsUrl, home, app, secrets, admin,
    api: serverApi({ url: () => url, app }),
    output: () => running.output(),
    auditFile: join(home, "audit.jsonl"),
    /** A link of `sealcast console`. */
    link: async () => (await admin("POST", "/admin/console/code", {})).url,
    stop: (signal) => running.stop(signal),
    /** Starts it again at its addresses. */
    again: () => launch(addresses),
    reload: async (changes) => {
      await writeFile(file, config({ ...addresses, ...changes }), { mode: 0o600 });
      return admin("POST", "/admin/reload", {});
    },
  };
}

function overSocket(socketPath, method, path, body) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, headers, timeout: 10_000 }, async (response) => {
      let answer = "";
      for await (const chunk of response) answer += chunk;
      if (response.statusCode >= 400) reject(new Error(`${method} ${path}: ${response.statusCode} ${answer}`));
      else resolve(answer ? JSON.parse(answer) : undefined);
    });
    asked.on("error", reject);
    asked.on("timeout", () => asked.destroy(new Error(`no answer to ${method} ${path}`)));
    asked.end(text);
  });
}

/** Asks the server's own auth endpoint, and gives every answer to `seen`. */
export const authorizer = ({ url, app }, user, seen = () => {}) => ({ socketId, channelName }, callback) => {
  const fields = new URLSearchParams({ socket_id: socketId, channel_name: channelName, user_id: user, user_info: "{}" });
  fetch(`${url}/apps/${app.id}/auth/channel`, { method: "POST", body: fields, headers: { "content-type": "application/x-www-form-urlencoded" } })
    .then(async (response) => {
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error);
      seen(answer);
      return answer;
    })
    .then((answer) => process.nextTick(callback, null, answer), (error) => process.nextTick(callback, error, null));
};

/** A pusher-js that is connected, with what it received and where it was authorized. */
export async function connect(t, server, { user = "ann", customHandler } = {}) {
  const authorizations = [];
  const { hostname, port } = new URL(server.url);
  const handler = customHandler ?? authorizer(server, user, (answer) => authorizations.push(answer));
  const pusher = new Pusher(server.app.key, {
    cluster: "", wsHost: hostname, wsPort: Number(port), forceTLS: false, enabledTransports: ["ws"],
    channelAuthorization: { customHandler: handler },
  });
  const events = [];
  const states = [];
  pusher.connection.bind("state_change", ({ current }) => states.push(current));
  t.after(() => pusher.disconnect());
  await eventually("a connection", () => pusher.connection.state === "connected");
  /** The channel's events are opened; `pusher.bind_global` would give envelopes. */
  const join = (name) => {
    const channel = pusher.subscribe(name);
    channel.bind_global((event, data) => events.push({ event, data }));
    return channel;
  };
  const subscribe = async (name) => {
    const channel = join(name);
    await eventually(`a subscription to ${name}`, () => channel.subscribed);
    return channel;
  };
  return { pusher, events, states, authorizations, join, subscribe };
}

/** A client that signs with another secret, and is refused. */
export async function refusedClient(t, server, channel = "private-refused") {
  const auths = [];
  const customHandler = ({ socketId, channelName }, callback) => {
    const answer = channelAuth({ ...server.app, secret: "another" }, socketId, channelName);
    auths.push(answer.auth);
    callback(null, answer);
  };
  const client = await connect(t, server, { customHandler });
  client.join(channel);
  await eventually("the refusal", () => client.events.some(({ event }) => event === "pusher:subscription_error"));
  return { ...client, auths };
}

/** A backend whose webhook endpoint answers 500. */
export async function failingEndpoint(t) {
  const listener = createServer((request, response) => {
    request.resume();
    response.writeHead(500).end("no");
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    listener.closeAllConnections();
    listener.close();
  });
  return `http://127.0.0.1:${listener.address().port}/hooks`;
}

/** Clients on a channel of each kind, events to all of them, client events, and two refusals. */
export async function traffic(t, server, { data = { text: "hello" } } = {}) {
  const ann = await connect(t, server, { user: "ann" });
  const bob = await connect(t, server, { user: "bob" });
  for (const name of ["news", "private-room", "presence-team", SEALED, "private-encrypted-cache-prices"]) {
    await ann.subscribe(name);
    if (name !== "news") await bob.subscribe(name);
  }
  const refused = await refusedClient(t, server);
  const send = async () => {
    await server.api.trigger(["news", "private-room"], "greeting", data);
    await server.api.trigger(SEALED, "order.paid", data);
    await server.api.trigger("private-encrypted-cache-prices", "price", data);
    ann.pusher.channel("private-room").trigger("client-typing", data);
  };
  await send();
  await server.api.call("POST", "/events", { body: { name: "x", channels: ["bad channel!"], data: "{}" } }).catch(() => {});
  await eventually("an opened event", () => bob.events.some(({ event }) => event === "order.paid"));
  return { ann, bob, refused, send };
}

/** The secret of an encrypted channel, as the official SDKs derive it. */
export const sharedSecret = (masterKey, channel) =>
  createHash("sha256").update(channel).update(Buffer.from(masterKey, "base64")).digest("base64");
