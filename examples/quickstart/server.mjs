// The backend of the quickstart: serves the page and publishes the form's text as plaintext.
// It holds no encryption key. Sealing is the server's work.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import Pusher from "pusher";

const EVENT = "message";
const SEALED_CHANNEL = "private-encrypted-quickstart";
const PRESENCE_CHANNEL = "presence-quickstart";
// Above the server's own limit for an event, so that the page can show its refusal.
const BODY_LIMIT = 64 * 1024;

const env = process.env;
const sealcast = serverUrl(env.SEALCAST_URL ?? "http://127.0.0.1:6001");
const app = {
  id: env.SEALCAST_APP_ID ?? "1001",
  key: env.SEALCAST_APP_KEY ?? "app-key",
  secret: env.SEALCAST_APP_SECRET ?? "app-secret",
};

const pusher = new Pusher({
  appId: app.id,
  key: app.key,
  secret: app.secret,
  host: sealcast.hostname,
  port: sealcast.port || undefined,
  useTLS: sealcast.protocol === "https:",
  timeout: 5000,
});

const require = createRequire(import.meta.url);
const local = (path) => new URL(path, import.meta.url);
const FILES = {
  "/": [local("public/index.html"), "text/html; charset=utf-8"],
  "/app.js": [local("public/app.js"), "text/javascript; charset=utf-8"],
  "/style.css": [local("public/style.css"), "text/css; charset=utf-8"],
  "/pusher.js": [
    require.resolve("pusher-js/dist/web/pusher-with-encryption.min.js"),
    "text/javascript; charset=utf-8",
  ],
};

const HEADERS = {
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src data:",
    `connect-src 'self' ${sealcast.origin} ${sealcast.origin.replace(/^http/, "ws")}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "Cross-Origin-Opener-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-store",
};

const server = createServer((request, response) => {
  handle(request, response).catch((error) => {
    if (!(error instanceof Refusal)) console.error(error);
    const { status = 500, message = "" } = error instanceof Refusal ? error : {};
    json(response, status, { error: message || "The backend failed; its terminal says why." });
  });
});

server.on("error", (error) => {
  const taken = error.code === "EADDRINUSE";
  console.error(taken ? `port ${error.port} is taken; choose another one with PORT=...` : error.message);
  process.exit(1);
});
server.listen(Number(env.PORT ?? 8080), "127.0.0.1", () => {
  console.log(`quickstart on http://127.0.0.1:${server.address().port}`);
  console.log(`talking to Sealcast at ${sealcast.origin}, app "${app.id}"`);
});
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}

async function handle(request, response) {
  requireLoopbackHost(request);
  const path = request.url.split("?", 1)[0];

  if (path === "/messages" && request.method === "POST") {
    return json(response, 202, await trigger(await readMessage(request)));
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new Refusal(405, "This path answers GET only.");
  }
  if (path === "/config.json") {
    return json(response, 200, {
      url: sealcast.origin,
      key: app.key,
      sealedChannel: SEALED_CHANNEL,
      presenceChannel: PRESENCE_CHANNEL,
    });
  }
  if (!Object.hasOwn(FILES, path)) throw new Refusal(404, "There is nothing here.");
  const [file, type] = FILES[path];
  response.writeHead(200, { ...HEADERS, "Content-Type": type }).end(await readFile(file));
}

/** Hands the message to the server unchanged and returns the posted body. */
async function trigger(message) {
  // Not pusher.trigger(): for an encrypted channel it needs its own master key.
  // pusher.post() signs the same request and leaves the sealing to the server.
  const body = { name: EVENT, channels: [SEALED_CHANNEL], data: JSON.stringify(message) };
  try {
    await pusher.post({ path: "/events", body });
  } catch (error) {
    throw refusalOf(error);
  }
  return { request: `POST /apps/${app.id}/events`, body: JSON.stringify(body) };
}

function refusalOf(error) {
  if (error.status === undefined) {
    return new Refusal(
      502,
      `The backend cannot reach Sealcast at ${sealcast.origin}. Start it with: sealcast serve --dev`,
    );
  }
  let reason = String(error.body ?? "").slice(0, 500);
  try {
    reason = JSON.parse(error.body).error ?? reason;
  } catch {
    // Not JSON: the text itself is the reason.
  }
  return new Refusal(error.status, `The server refused the message (${error.status}): ${reason}`);
}

async function readMessage(request) {
  if (request.headers.origin !== `http://${request.headers.host}`) {
    throw new Refusal(403, "Messages are taken from this page only.");
  }
  if (request.headers["content-type"] !== "application/json") {
    throw new Refusal(415, "A message has to be JSON.");
  }
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Refusal(413, `The backend takes up to ${BODY_LIMIT} bytes.`);
    chunks.push(chunk);
  }
  let message;
  try {
    message = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new Refusal(400, "The message is not valid JSON.");
  }
  const { id, name, text } = message ?? {};
  if ([id, name, text].some((field) => typeof field !== "string" || field.trim() === "")) {
    throw new Refusal(400, "A message needs an id, a name and a text.");
  }
  return { id: id.slice(0, 40), name: name.slice(0, 40), text, sent: new Date().toISOString() };
}

/** A foreign name that resolves to this machine must not be able to use the page. */
function requireLoopbackHost(request) {
  const host = request.headers.host?.replace(/:\d+$/, "");
  if (host !== "127.0.0.1" && host !== "localhost") {
    throw new Refusal(421, "Open the quickstart as 127.0.0.1 or localhost.");
  }
}

function json(response, status, value) {
  response
    .writeHead(status, { ...HEADERS, "Content-Type": "application/json" })
    .end(JSON.stringify(value));
}

function serverUrl(text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== "/") {
    console.error(`SEALCAST_URL has to look like http://127.0.0.1:6001, not "${text}"`);
    process.exit(1);
  }
  return url;
}

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}
