// The server of an example: its page, its routes, and a Sealcast of its own. README.md lists the options.

import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { fileURLToPath } from "node:url";
import { allowedFiles, sendFile } from "./files.mjs";
import { cookieText, rateLimit, readCookies, readJson, Refusal, router, securityHeaders } from "./http.mjs";
import { inState, startSealcast } from "./sealcast.mjs";
import { certificate, networkNames } from "./tls.mjs";
import { ApiError, serverApi } from "./tokens.mjs";
import { isForSealcast, passRequest, passUpgrade } from "./tunnel.mjs";

export { Refusal } from "./http.mjs";
export * from "./tokens.mjs";

const isTls = process.argv.includes("--tls");

function refuseUnknownFlags() {
  const unknown = process.argv.slice(2).find((flag) => flag !== "--tls");
  if (unknown === undefined) return;
  console.error(`There is no option ${unknown}. The only one is --tls; the rest are variables, such as PORT=8080.`);
  process.exit(1);
}

/** Where an example keeps its files. */
export const stateFolder = (folder) => process.env.STATE_DIR || fileURLToPath(new URL("state/", folder));

export async function startExample(options) {
  refuseUnknownFlags();
  const pages = [];
  let sealcast;
  let stopping;
  const stop = () => (stopping ??= (async () => {
    for (const page of pages) page.stop();
    await sealcast?.stop();
  })());
  // First of all: a signal while it starts ends it, too.
  endWithProcess(stop);
  try {
    checkProxy();
    const stateDir = stateFolder(options.folder);
    const listeners = await Promise.all(
      Array.from({ length: options.ports ?? 1 }, (_, i) => listen(stateDir, i === 0 ? process.env.PORT : 0)),
    );
    const trusted = options.trustStranger === false ? listeners.slice(0, 1) : listeners;
    sealcast = await startSealcast({
      settings: withProxy(settingsFor(options, listeners)),
      stateDir,
      origins: trusted.flatMap(({ origins }) => origins),
      log: process.env.SEALCAST_LOG ?? "warn",
    });
    for (const listener of listeners) pages.push(attach(listener, { ...options, sealcast }));
  } catch (error) {
    console.error(error.message);
    await stop();
    process.exit(1);
  }
  const [{ url }] = pages;
  console.log(`${options.name} on ${url}`);
  console.log(`Sealcast on ${sealcast.url} (process ${sealcast.pid})`);
  if (isTls) sayHowToOpen(options.name, pages[0]);
  return { url, origins: pages.map((page) => page.url), sealcast, api: apiOf(sealcast), stop };
}

/** Pages and routes alone, beside a running Sealcast. */
export async function servePages(options) {
  refuseUnknownFlags();
  return attach(await listen(stateFolder(options.folder), options.port ?? 0), options);
}

/** A second app may need the origins of all ports, which are known only now. */
function settingsFor({ sealcast }, listeners) {
  return typeof sealcast === "function" ? sealcast({ origins: listeners.flatMap(({ origins }) => origins) }) : sealcast;
}

const apiOf = ({ url, app }) => serverApi({ url: () => url, app });

/** Behind the tunnel every client would have one address. */
const withProxy = (settings = {}) =>
  isTls ? { ...settings, server: { trusted_proxies: ["127.0.0.1"], ...settings.server } } : settings;

function sayHowToOpen(name, { origins }) {
  console.log(`The certificate is self-signed: accept it once in each browser. From a phone in this network:`);
  for (const origin of origins.filter((origin) => !/localhost|127\.0\.0\.1/.test(origin))) console.log(`  ${origin}`);
}

function checkProxy() {
  const via = process.env.SEALCAST_VIA;
  if (via === undefined || (URL.canParse(via) && /^https?:$/.test(new URL(via).protocol))) return;
  throw new Error(`SEALCAST_VIA is "${via}", which is no address. Write it like http://127.0.0.1:8080, or unset it.`);
}

/** Nothing is any free port. */
function readPort(value = 0) {
  const text = String(value).trim();
  if (/^\d{0,5}$/.test(text) && Number(text) < 65_536) return Number(text);
  throw new Error(`PORT is "${value}", which is no port. Choose one from 1 to 65535, such as PORT=8080, or leave PORT out for any free one.`);
}

const portSentence = (port, code) =>
  ({
    EADDRINUSE: `Port ${port} is taken. Choose another one with PORT=...`,
    EACCES: `Port ${port} is for the administrator of this machine. Choose one from 1024 with PORT=...`,
  })[code] ?? `Port ${port} cannot be opened (${code}). Choose another one with PORT=...`;

/** As browsers write it: small letters, and no port where it is the usual one. */
function originOfName(scheme, name, port) {
  const address = `${scheme}://${name}:${port}`;
  if (!URL.canParse(address)) throw new Error(`HOST_NAMES has "${name}", which is no name of a machine. Write names with blanks between, without ports.`);
  return new URL(address).origin;
}

/** The port comes first: Sealcast's configuration lists the origin. */
async function listen(stateDir, chosen) {
  const port = readPort(chosen);
  const extra = [...(isTls ? networkNames() : []), ...(process.env.HOST_NAMES ?? "").split(/\s+/).filter(Boolean)];
  const names = ["localhost", "127.0.0.1", ...extra];
  const server = isTls ? createTlsServer(inState(stateDir, () => certificate(stateDir, names))) : createServer();
  await new Promise((resolve, reject) => {
    server.once("error", ({ code }) => reject(new Error(portSentence(port, code))));
    server.listen(port, isTls ? "0.0.0.0" : "127.0.0.1", resolve);
  });
  const scheme = isTls ? "https" : "http";
  const origins = names.map((name) => originOfName(scheme, name, server.address().port));
  return { server, origins };
}

function attach({ server, origins }, options) {
  const { sealcast } = options;
  const served = {
    name: options.name,
    origins,
    files: allowedFiles(options.folder, options.files),
    pages: new Set(options.pages ?? []),
    find: router({ "GET /config.json": (context) => configFor(options, context), ...options.routes }),
    api: apiOf(sealcast),
    sealcast,
    seconds: rateLimit(options.perMinute ?? 600),
    bodyBytes: options.bodyBytes ?? 65_536,
    csp: options.csp,
  };
  server.on("request", (request, response) => {
    handle(served, request, response).catch((error) => sendRefusal(served, request, response, error));
  });
  const sockets = new Set();
  if (isTls) {
    server.on("upgrade", (request, socket, head) => {
      sockets.add(socket.once("close", () => sockets.delete(socket)));
      if (isKnownHost(served, request) && isForSealcast(request.url)) passUpgrade(sealcast.url, request, socket, head);
      else socket.destroy();
    });
  }
  return {
    url: origins[0],
    origins,
    stop() {
      server.close();
      server.closeAllConnections();
      // The server no longer counts these as its own.
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function handle(served, request, response) {
  // A foreign name that leads to this machine must not be able to use the page.
  if (!isKnownHost(served, request)) throw new Refusal(421, `Open this page as ${served.origins[0]}.`);
  const path = request.url.split("?", 1)[0];
  if (isTls && isForSealcast(path)) return passRequest(served.sealcast.url, request, response);

  const isRead = request.method === "GET" || request.method === "HEAD";
  const file = served.files.get(path) ?? (served.pages.has(path) ? served.files.get("/index.html") : undefined);
  if (file && isRead) return sendFile(response, headersFor(served, request), file, request.method === "GET");

  const { handler, params, isKnownPath } = served.find(request.method, path);
  if (!handler) throw isKnownPath || file ? new Refusal(405, "This path takes another method.") : new Refusal(404, "There is nothing here.");
  const wait = served.seconds(request.socket.remoteAddress);
  if (wait > 0) throw new Refusal(429, `Too many requests. Try again in ${wait} s.`, { retryAfter: wait });
  const context = contextOf(served, request, response, params);
  if (!isRead) {
    requireOrigin(context);
    context.body = await readJson(request, served.bodyBytes);
  }
  const result = await handler(context);
  if (!response.writableEnded) sendJson(served, request, response, result === undefined ? 204 : 200, result);
}

function contextOf(served, request, response, params) {
  return {
    request, response, params,
    query: new URL(request.url, served.origins[0]).searchParams,
    cookies: readCookies(request),
    address: request.socket.remoteAddress,
    origin: originOf(request),
    api: served.api,
    sealcast: served.sealcast,
    secure: isTls,
    setCookie(name, value, options = {}) {
      response.appendHeader("Set-Cookie", cookieText(name, value, { ...options, secure: isTls }));
    },
  };
}

/** Cookies know no ports: all examples of one host share a jar, so each request has to name its page. */
export function requireOrigin({ request, origin }) {
  const named = request.headers.origin;
  const isOwn = named === origin || (named === undefined && request.method === "GET" && request.headers["sec-fetch-site"] === "same-origin");
  if (!isOwn) throw new Refusal(403, "This is taken from the example’s own page only.");
}

const originOf = (request) => `${isTls ? "https" : "http"}://${request.headers.host}`;
const isKnownHost = (served, request) => served.origins.includes(originOf(request).toLowerCase());

/** The address of Sealcast for a page: its own, that of a proxy, or under TLS the page's. */
function sealcastFor({ sealcast }, origin) {
  return isTls ? origin : process.env.SEALCAST_VIA ?? sealcast.url;
}

async function configFor(options, context) {
  const { sealcast, config = {} } = options;
  const url = sealcastFor(options, context.origin);
  const { hostname, port, protocol } = new URL(url);
  return {
    url, app: sealcast.app.id, key: sealcast.app.key, client: `${url}/app/${sealcast.app.key}`,
    pusher: {
      cluster: "", wsHost: hostname, wsPort: Number(port || 80), wssPort: Number(port || 443),
      forceTLS: protocol === "https:", enabledTransports: ["ws"],
    },
    ...(typeof config === "function" ? await config(context) : config),
  };
}

function headersFor(served, request) {
  const url = sealcastFor(served, originOf(request));
  return securityHeaders({ connect: [url, url.replace(/^http/, "ws")], csp: served.csp });
}

function sendJson(served, request, response, status, value, extra = {}) {
  const text = value === undefined ? undefined : JSON.stringify(value);
  response.writeHead(status, { ...headersFor(served, request), ...(text && { "Content-Type": "application/json" }), ...extra });
  response.end(text);
}

function sendRefusal(served, request, response, error) {
  const isOurs = error instanceof Refusal || error instanceof ApiError;
  if (!isOurs) console.error(error);
  if (response.headersSent) return response.destroy();
  const { retryAfter, ...extra } = error.extra ?? {};
  const sentence = isOurs ? error.message : "The backend failed; its terminal says why.";
  const wait = retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) };
  // The rest of a body that is too large is not read.
  const close = request.complete ? {} : { Connection: "close" };
  sendJson(served, request, response, isOurs ? error.status : 500, { error: sentence, ...extra }, { ...wait, ...close });
}

function endWithProcess(stop) {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => stop().then(() => process.exit(0)));
  for (const kind of ["uncaughtException", "unhandledRejection"]) {
    process.once(kind, (error) => {
      console.error(error);
      stop().finally(() => process.exit(1));
    });
  }
}
