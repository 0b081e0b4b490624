// Servers, networks and readers for tests that cut event streams at random bytes.

import { execFileSync, spawn } from "node:child_process";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launchBrowser, startServer } from "./support.mjs";

export const CUTS = Number(process.env.CUTS ?? 6);
export const EVENTS = Number(process.env.EVENTS ?? 600);
export const SEED = Number(process.env.SEED ?? 1);
// A cut lasts up to three seconds, and some of them must not overlap.
export const LENGTH_MS = CUTS * 2500;
export const TEST = { timeout: LENGTH_MS + 90_000 };
export const APP = { id: "it", key: "it-key", secret: "it-secret-of-the-cut-test" };

// A reader may be cut again while it returns, and miss ten seconds of events. With 64 channels each
// of them has an id of more than a kilobyte: so `outbox_bytes` has room for twice as many.
const settings = (listen, more, origin) => `
listen = "${listen}"
workers = 2
outbox_bytes = 4194304
${more}
[apps.${APP.id}]
key = "${APP.key}"
secret = "${APP.secret}"
limits.connects_per_ip = 0
origins = ["${origin}"]
derivation = "hkdf"
master_key = "base64:${randomBytes(32).toString("base64")}"
[[apps.${APP.id}.channels]]
pattern = "*cut-*"
history = { events = 2000, bytes = "4MiB", ttl = "1h", idle = "1h", vacant = "1h" }
`;

/**
 * A proxy of bytes that cuts when it is told to: all connections between two chunks, or one within its next chunk.
 * `target` takes what `net.connect` takes.
 */
export async function cuttingProxy(target, rng) {
  const lines = new Set();
  let cutNext = false;
  let refuseNext = false;
  let lastText;
  const requests = [];
  const server = net.createServer((down) => {
    const up = net.connect(target);
    const line = { down, up };
    lines.add(line);
    let passed = "";
    const end = () => {
      down.destroy();
      up.destroy();
      lines.delete(line);
    };
    const endWith = (bytes) => {
      up.pause();
      down.write(bytes, end);
    };
    down.on("data", (chunk) => {
      requests.push(chunk.toString("latin1"));
      if (!refuseNext || !chunk.includes("/sse?")) return up.write(chunk);
      refuseNext = false;
      down.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    up.on("data", (chunk) => {
      if (lastText) {
        passed += chunk.toString("latin1");
        const found = lastText.exec(passed);
        if (!found) return down.write(chunk);
        lastText = undefined;
        const end = found.index + found[0].length - (passed.length - chunk.length);
        return endWith(chunk.subarray(0, Math.max(end, 0)));
      }
      if (!cutNext) return down.write(chunk);
      cutNext = false;
      endWith(chunk.subarray(0, Math.floor(rng() * chunk.length)));
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
    /** Cuts the next connection behind the first text of the server that matches. */
    cutBehind(pattern) {
      lastText = pattern;
    },
    /** The bytes of clients so far, as they came. */
    requests,
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

/** What a reader was told on each channel, in order: the texts of events, and gaps. */
function note({ event, channel, data }, told) {
  if (event === "e") (told[channel] ??= []).push(data.split(":")[0]);
  if (event === "sealcast:gap") (told[channel] ??= []).push(`gap ${JSON.parse(data).reason}`);
}

/** curl, started again with the last whole id whenever it ends, as a browser does. */
export function curlReader(url, args) {
  const told = {};
  let handshakes = 0;
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
        if (!field("data")) continue;
        const message = JSON.parse(field("data"));
        if (message.event === "pusher:connection_established") handshakes++;
        note(message, told);
      }
    });
    child.on("close", () => setTimeout(run, 200));
  };
  run();
  return {
    read: async () => ({ told, handshakes }),
    close: async () => {
      closed = true;
      child.kill();
    },
  };
}

/** Runs in the page: an EventSource, opened again when the browser has given up. */
function openReader(url) {
  const reader = { told: {}, handshakes: 0, givenUp: 0, silence: 0 };
  let lastId = "";
  let last;
  let source;
  let timer;
  const open = () => {
    source = new EventSource(lastId ? `${url}&last_event_id=${encodeURIComponent(lastId)}` : url);
    source.onmessage = ({ data, lastEventId }) => {
      lastId = lastEventId;
      const message = JSON.parse(data);
      if (message.event === "pusher:connection_established") reader.handshakes++;
      note(message, reader.told);
      if (message.event !== "e") return;
      const now = performance.now();
      reader.silence = Math.max(reader.silence, now - (last ?? now));
      last = now;
    };
    // A browser gives up where a cut within the head takes the permission to read across origins.
    source.onerror = () => {
      if (source.readyState !== 2) return;
      reader.givenUp++;
      timer = setTimeout(open, 500);
    };
  };
  open();
  reader.close = () => {
    clearTimeout(timer);
    source.close();
  };
  return (window.readers ??= []).push(reader) - 1;
}

/** An EventSource in a page that all of them share: each has an address of its own, and so a connection. */
export async function browserReader(page, url) {
  const index = await page.evaluate(openReader, url);
  return {
    read: () => page.evaluate((index) => ({ ...window.readers[index], close: undefined }), index),
    close: () => page.evaluate((index) => window.readers[index].close(), index),
  };
}

/** The path of a request to the signed API, with its signature. */
function signed(method, path, body) {
  const digest = createHash("md5").update(body).digest("hex");
  const query = `auth_key=${APP.key}&auth_timestamp=${Math.floor(Date.now() / 1000)}&auth_version=1.0&body_md5=${digest}`;
  const signature = createHmac("sha256", APP.secret).update(`${method}\n${path}\n${query}`).digest("hex");
  return `${path}?${query}&auth_signature=${signature}`;
}

/** Posts to the signed API, over connections of `agent`; resolves with the answer's JSON. */
export function signedPost(url, agent, path, content) {
  const { request: ask } = url.startsWith("https") ? https : http;
  const body = JSON.stringify(content);
  const options = { agent, method: "POST", headers: { "content-type": "application/json" } };
  return new Promise((resolve, reject) => {
    const request = ask(`${url}${signed("POST", path, body)}`, options, async (answer) => {
      let text = "";
      for await (const chunk of answer.setEncoding("utf8")) text += chunk;
      if (answer.statusCode === 200) resolve(JSON.parse(text));
      else reject(new Error(`${path}: ${answer.statusCode} ${text}`));
    });
    request.on("error", reject).end(body);
  });
}

export const publisher = (url, agent) => (channels, data, name = "e") =>
  signedPost(url, agent, `/apps/${APP.id}/events`, { name, channels, data });

/** A browser, a blank page to read from, and servers; all of it ends with `stop`. */
export async function startBench() {
  const browser = await launchBrowser();
  const directory = mkdtempSync(join(tmpdir(), "sealcast-streams-"));
  const blank = http.createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<title>t</title>"));
  await new Promise((resolve) => blank.listen(0, "127.0.0.1", resolve));
  const pages = `http://127.0.0.1:${blank.address().port}/`;
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await page.goto(pages);
  await page.addScriptTag({ content: note.toString() });
  const endings = [];
  return {
    browser,
    page,
    directory,
    pages,
    endings,
    async serve(name, more = "", page = pages) {
      const home = join(directory, name);
      const config = join(directory, `${name}.toml`);
      writeFileSync(config, settings("127.0.0.1:0", more, new URL(page).origin));
      const server = await startServer(config, home);
      endings.push(server.stop);
      return Object.assign(new URL(server.url), { home });
    },
    async stop() {
      await browser.close();
      blank.close();
      for (const end of endings.reverse()) await end();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The paths of a certificate for this machine, and of its key. */
export function certificate(directory) {
  const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(directory, name));
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", ...made, ...subject], { stdio: "ignore" });
  return { key, cert };
}
