// Event streams that are cut at random bytes while events flow: nothing lost, doubled or out of order.
//
// A short form runs by default. The long one, 100 cuts of each reader during 10,000 events:
//   CUTS=100 EVENTS=10000 node --test streams.test.mjs
// SEED makes the cuts repeatable as far as the timing of the machine allows.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually, launchBrowser, startServer } from "./support.mjs";

const CUTS = Number(process.env.CUTS ?? 6);
const EVENTS = Number(process.env.EVENTS ?? 600);
const SEED = Number(process.env.SEED ?? 1);
// A cut lasts up to three seconds, and some of them must not overlap.
const LENGTH_MS = CUTS * 2500;
const TEST = { timeout: LENGTH_MS + 90_000 };
const SETS = [1, 8, 64];
const APP = { id: "it", key: "it-key", secret: "it-secret-of-the-cut-test" };

const settings = (listen, tls, origin) => `
listen = "${listen}"
workers = 2
${tls}
[apps.${APP.id}]
key = "${APP.key}"
secret = "${APP.secret}"
limits.connects_per_ip = 0
origins = ["${origin}"]
master_key = "base64:${randomBytes(32).toString("base64")}"
[[apps.${APP.id}.channels]]
pattern = "*cut-*"
history = { events = 2000, bytes = "4MiB", ttl = "1h", idle = "1h", vacant = "1h" }
`;

/** xorshift32: the same cuts for the same seed. */
function random(seed) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A proxy that passes bytes on, until it is told to cut: within the next chunk, or between two. */
async function cuttingProxy(target, rng) {
  const lines = new Set();
  let cutNext = false;
  let refuseNext = false;
  const server = net.createServer((down) => {
    const up = net.connect(target.port, target.hostname);
    const line = { down, up };
    lines.add(line);
    const end = () => {
      down.destroy();
      up.destroy();
      lines.delete(line);
    };
    down.on("data", (chunk) => {
      if (!refuseNext || !chunk.includes("/sse?")) return up.write(chunk);
      refuseNext = false;
      down.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    up.on("data", (chunk) => {
      if (!cutNext) return down.write(chunk);
      cutNext = false;
      up.pause();
      down.write(chunk.subarray(0, Math.floor(rng() * chunk.length)), end);
    });
    for (const socket of [down, up]) socket.on("error", end).on("close", end);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cutAll = () => {
    for (const { down, up } of lines) [down, up].forEach((socket) => socket.destroy());
  };
  return {
    port: server.address().port,
    cut() {
      if (rng() < 0.5) cutNext = true;
      else cutAll();
    },
    /** Cuts, and refuses the browser's next stream as the server refuses a ticket that has ended. */
    refuse() {
      refuseNext = true;
      cutAll();
    },
    close() {
      server.close();
      cutAll();
    },
  };
}

/** curl, started again with the last whole id whenever it ends, as a browser does. */
function curlReader(url, args) {
  const got = [];
  const gaps = [];
  let lastId = "";
  let child;
  let closed = false;
  const run = () => {
    if (closed) return;
    const headers = lastId ? ["-H", `Last-Event-ID: ${lastId}`] : [];
    child = spawn("curl", ["-sNk", ...args, ...headers, url], { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
      for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
        const lines = text.slice(0, end).split("\n");
        const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
        lastId = field("id") ?? lastId;
        if (field("data")) note(JSON.parse(field("data")), got, gaps);
      }
    });
    child.on("close", () => setTimeout(run, 200));
  };
  run();
  return {
    read: async () => ({ got, gaps }),
    close: async () => {
      closed = true;
      child.kill();
    },
  };
}

function note({ event, channel, data }, got, gaps) {
  if (event === "e") got.push(`${channel} ${data.split(":")[0]}`);
  if (event === "sealcast:gap") gaps.push(data);
}

async function browserReader(browser, pages, url) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(pages);
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  await page.evaluate((url) => {
    Object.assign(window, { got: [], gaps: [], givenUp: 0 });
    let lastId = "";
    const open = () => {
      const source = new EventSource(lastId ? `${url}&last_event_id=${encodeURIComponent(lastId)}` : url);
      source.onmessage = (message) => {
        const { event, channel, data } = JSON.parse(message.data);
        lastId = message.lastEventId;
        if (event === "e") window.got.push(`${channel} ${data.split(":")[0]}`);
        if (event === "sealcast:gap") window.gaps.push(data);
      };
      // A browser gives up where a cut within the head takes the permission to read across origins.
      source.onerror = () => {
        if (source.readyState !== 2) return;
        window.givenUp++;
        setTimeout(open, 500);
      };
    };
    open();
  }, url);
  return {
    read: async () => ({ ...(await page.evaluate(() => ({ got: window.got, gaps: window.gaps, givenUp: window.givenUp }))), complaints }),
    close: () => context.close(),
  };
}

function publisher(url, agent) {
  const { request: ask } = url.startsWith("https") ? https : http;
  return (channels, data) =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({ name: "e", channels, data });
      const digest = createHash("md5").update(body).digest("hex");
      const query = `auth_key=${APP.key}&auth_timestamp=${Math.floor(Date.now() / 1000)}&auth_version=1.0&body_md5=${digest}`;
      const path = `/apps/${APP.id}/events`;
      const signature = createHmac("sha256", APP.secret).update(`POST\n${path}\n${query}`).digest("hex");
      const request = ask(
        `${url}${path}?${query}&auth_signature=${signature}`,
        { agent, method: "POST", headers: { "content-type": "application/json" } },
        (answer) => {
          answer.resume().on("end", () => (answer.statusCode === 200 ? resolve() : reject(new Error(`${answer.statusCode}`))));
        },
      );
      request.on("error", reject).end(body);
    });
}

const channelsOf = (count) => Array.from({ length: count }, (_, n) => `cut-${count}-${n}`);

describe("event streams", () => {
  let browser;
  let directory;
  let blank;
  let pages;
  const servers = [];
  before(async () => {
    browser = await launchBrowser();
    directory = mkdtempSync(join(tmpdir(), "sealcast-streams-"));
    blank = http.createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<title>t</title>"));
    await new Promise((resolve) => blank.listen(0, "127.0.0.1", resolve));
    pages = `http://127.0.0.1:${blank.address().port}/`;
  }, TEST);
  after(async () => {
    await browser?.close();
    blank?.close();
    for (const server of servers) await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }, TEST);

  async function serve(name, tls, page = pages) {
    const home = join(directory, name);
    const config = join(directory, `${name}.toml`);
    writeFileSync(config, settings("127.0.0.1:0", tls, new URL(page).origin));
    const server = await startServer(config, home);
    servers.push(server);
    return new URL(server.url);
  }

  function certificate() {
    const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(directory, name));
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
    return `tls_cert_file = "${cert}"\ntls_key_file = "${key}"`;
  }

  async function cutReaders(t, server, scheme, kinds) {
    const rng = random(SEED);
    const readers = [];
    for (const [kind, open] of Object.entries(kinds)) {
      for (const count of SETS) {
        const proxy = await cuttingProxy(server, random(SEED + readers.length + 1));
        const query = channelsOf(count).map((name) => `channel=${name}`).join("&");
        const url = `${scheme}://127.0.0.1:${proxy.port}/app/${APP.key}/sse?${query}`;
        readers.push({ name: `${kind}, ${count} channels`, count, proxy, ...(await open(url)) });
      }
    }
    t.after(async () => {
      for (const reader of readers) {
        await reader.close();
        reader.proxy.close();
      }
    });
    // All streams are open before the first event.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const agent = new (scheme === "https" ? https : http).Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false });
    t.after(() => agent.destroy());
    return { readers, rng, agent };
  }

  async function run(t, server, scheme, kinds) {
    const { readers, rng, agent } = await cutReaders(t, server, scheme, kinds);
    const publish = publisher(server.origin, agent);
    const sent = Object.fromEntries(SETS.map((count) => [count, []]));
    const begun = Date.now();
    const cuts = readers.flatMap((reader) =>
      Array.from({ length: CUTS }, (_, n) => ({ at: ((n + 0.2 + rng() * 0.6) / CUTS) * LENGTH_MS, reader })));
    cuts.sort((one, other) => one.at - other.at);
    for (let n = 0; n < EVENTS; n++) {
      const channels = SETS.map((count) => `cut-${count}-${n % count}`);
      await publish(channels, `${n}:`.padEnd(200 + (n % 7) * 100, "x"));
      SETS.forEach((count, index) => sent[count].push(`${channels[index]} ${n}`));
      while (cuts[0]?.at <= Date.now() - begun) cuts.shift().reader.proxy.cut();
      const ahead = begun + ((n + 1) * LENGTH_MS) / EVENTS - Date.now();
      if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead));
    }
    for (const reader of readers) {
      await eventually(`all events for ${reader.name}`, async () => {
        const { got } = await reader.read();
        return got.length >= EVENTS;
      }).catch(() => {});
      const { got, gaps, givenUp = 0, complaints = [] } = await reader.read();
      if (givenUp > 0) t.diagnostic(`${reader.name}: gave up ${givenUp} times: ${[...new Set(complaints)].join("; ")}`);
      assert.deepEqual(gaps, [], reader.name);
      for (const name of channelsOf(reader.count)) {
        const numbers = (list) => list.filter((text) => text.startsWith(`${name} `)).map((text) => text.slice(name.length + 1));
        assert.equal(numbers(got).join(), numbers(sent[reader.count]).join(), `${reader.name}: ${name}, each once and in order`);
      }
    }
  }

  const curl = (...args) => (url) => curlReader(url, ["-H", `Origin: ${new URL(pages).origin}`, ...args]);

  test("survive cuts at any byte over HTTP/1.1", TEST, async (t) => {
    const server = await serve("plain", "");
    await run(t, server, "http", { chromium: (url) => browserReader(browser, pages, url), curl: curl("--http1.1") });
  });

  test("survive cuts at any byte over TLS and HTTP/2", TEST, async (t) => {
    const server = await serve("tls", certificate());
    await run(t, server, "https", {
      chromium: (url) => browserReader(browser, pages, url),
      "curl over HTTP/1.1": curl("--http1.1"),
      "curl over HTTP/2": curl("--http2"),
    });
  });

  /** A page with stream.js on these channels, behind a proxy. Secrets wait until `window.mayAsk` resolves. */
  async function streamPage(t, name, channels) {
    const library = readFileSync(fileURLToPath(new URL("../../examples/lib/stream.js", import.meta.url)));
    const signed = (path, body) => {
      const digest = createHash("md5").update(body).digest("hex");
      const query = `auth_key=${APP.key}&auth_timestamp=${Math.floor(Date.now() / 1000)}&auth_version=1.0&body_md5=${digest}`;
      const signature = createHmac("sha256", APP.secret).update(`POST\n${path}\n${query}`).digest("hex");
      return `${path}?${query}&auth_signature=${signature}`;
    };
    const wanted = JSON.stringify({ user_id: "u1", channels, ttl: 3600 });
    let token;
    let tokens = 0;
    const backend = http.createServer(async (request, answer) => {
      const url = new URL(request.url, "http://x");
      if (url.pathname === "/token") {
        tokens++;
        return answer.end(token);
      }
      answer.setHeader("content-type", url.pathname === "/" ? "text/html" : "text/javascript");
      answer.end(url.pathname === "/" ? "<title>streams</title>" : library);
    });
    await new Promise((resolve) => backend.listen(0, "127.0.0.1", resolve));
    t.after(() => backend.closeAllConnections() ?? backend.close());
    const page0 = `http://127.0.0.1:${backend.address().port}/`;
    const server = await serve(name, "", page0);
    const proxy = await cuttingProxy(server, random(SEED));
    t.after(() => proxy.close());
    const minted = await fetch(`${server.origin}${signed(`/apps/${APP.id}/tokens`, wanted)}`, {
      method: "POST",
      body: wanted,
      headers: { "content-type": "application/json" },
    });
    ({ token } = await minted.json());
    const page = await (await browser.newContext()).newPage();
    t.after(() => page.context().close());
    await page.goto(page0);
    await page.addScriptTag({ path: fileURLToPath(new URL("node_modules/tweetnacl/nacl-fast.js", import.meta.url)) });
    await page.evaluate(async ({ url, auth, channels }) => {
      const { openStream } = await import("/stream.js");
      // As a page does: a token of its own backend, then the server itself.
      const post = async (path, type, body) => {
        const token = await fetch("/token").then((answer) => answer.text());
        const headers = { authorization: `Bearer ${token}`, "content-type": type };
        return (await fetch(path, { method: "POST", headers, body })).json();
      };
      Object.assign(window, { got: [], gaps: [], states: [], mayAsk: Promise.resolve() });
      window.stream = openStream({
        url,
        channels,
        nacl: window.nacl,
        ticket: async () => (await post(`${url}/tickets`, "application/json", JSON.stringify({ channels }))).ticket,
        secret: async (channel_name, socket_id) => {
          await window.mayAsk;
          const form = new URLSearchParams({ channel_name, socket_id });
          return (await post(auth, "application/x-www-form-urlencoded", form)).shared_secret;
        },
        onEvent: ({ channel, data }) => window.got.push(`${channel} ${data}`),
        onGap: (gap) => window.gaps.push(gap),
        onState: (state) => window.states.push(state),
      });
    }, { url: `http://127.0.0.1:${proxy.port}/app/${APP.key}`, auth: `${server.origin}/apps/${APP.id}/auth/channel`, channels });
    await eventually("an open stream", () => page.evaluate(() => window.states.includes("open")));
    const agent = new http.Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    return { page, proxy, publish: publisher(server.origin, agent), tokens: () => tokens };
  }

  test("stream.js gets tickets and secrets, and opens in order", TEST, async (t) => {
    const channel = "private-encrypted-cut-1";
    const { page, proxy, publish, tokens } = await streamPage(t, "helper", [channel]);
    for (let n = 0; n < 60; n++) {
      await publish([channel], `${n}`);
      if (n % 20 === 10) proxy.cut();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const expected = Array.from({ length: 60 }, (_, n) => `${channel} ${n}`);
    await eventually("all events", () => page.evaluate(() => window.got.length >= 60)).catch(() => {});
    assert.deepEqual(await page.evaluate(() => window.got), expected);
    assert.deepEqual(await page.evaluate(() => window.gaps), []);
    assert.ok(tokens() <= 6, `${tokens()} tokens: a cut needs no other ticket`);
  });

  test("stream.js hands on events once, though they wait for a secret while the browser gives up", TEST, async (t) => {
    const [sealed, plain] = ["private-encrypted-cut-2", "private-cut-2"];
    const { page, proxy, publish } = await streamPage(t, "held", [sealed, plain]);
    await page.evaluate(() => {
      window.mayAsk = new Promise((resolve) => (window.letAsk = resolve));
    });
    const count = (channel) => page.evaluate((name) => window.got.filter((text) => text.startsWith(name)).length, channel);
    const opened = () => page.evaluate(() => window.states.filter((state) => state === "open").length);
    const publishBetween = async (from, to) => {
      for (let n = from; n < to; n++) for (const channel of [sealed, plain]) await publish([channel], `${n}`);
    };
    await publishBetween(0, 5);
    await eventually("the events of the other channel", async () => (await count(plain)) === 5);
    proxy.refuse();
    await publishBetween(5, 10);
    await eventually("another stream", async () => (await opened()) === 2);
    await publishBetween(10, 15);
    await page.evaluate(() => window.letAsk());
    await eventually("all events", async () => (await count(sealed)) >= 15 && (await count(plain)) >= 15).catch(() => {});
    const got = await page.evaluate(() => window.got);
    for (const channel of [sealed, plain]) {
      const expected = Array.from({ length: 15 }, (_, n) => `${channel} ${n}`);
      assert.deepEqual(got.filter((text) => text.startsWith(channel)), expected, "each once and in order");
    }
    assert.deepEqual(await page.evaluate(() => window.gaps), []);
  });
});
