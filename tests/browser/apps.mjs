// Starts an example with a Sealcast of its own, opens browsers, and keeps all that travels.
//
//   const app = await startApp(t, "planning-poker");
//   const ann = await app.open();                  // a context of its own: another person
//   const tab = await ann.open("/#k=...");         // a second tab of the same person
//   await app.pictures(ann.page, "table");         // every size and theme, with axe-core
//   app.line.down(); app.line.up();                // the line to Sealcast is lost, and comes back
//   await app.restartSealcast();
//   assert.deepEqual(await app.searchFor(["planted text"]), []);
//   app.assertQuiet();                             // nothing on any console
//
// PICTURES names the folder of the pictures. CHROMIUM and SEALCAST_BIN are as in support.mjs.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pictureFolder, pictures } from "./apps/look.mjs";
import { recordingProxy } from "./apps/proxy.mjs";
import { filesIn, search } from "./apps/search.mjs";
import { eventually, launchBrowser, SEE_MS, start } from "./support.mjs";

export { axeFindings, SIZES, THEMES } from "./apps/look.mjs";
export { formsOf, search } from "./apps/search.mjs";
export { eventually, launchBrowser } from "./support.mjs";

const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
const BUILT = fileURLToPath(new URL("../../target/debug/sealcast", import.meta.url));
/** A lost condition is an answer, but Chromium notes each 412 on the console. */
const ALLOWED = [/the server responded with a status of 412/];

/** `example`: a folder of examples/, or an absolute one. Everything ends with the test. */
export async function startApp(t, example, { env = {}, browser, args = [] } = {}) {
  const endings = [];
  t.after(async () => {
    const failures = [];
    for (const end of endings.reverse()) await Promise.resolve().then(end).catch((error) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, "not everything could be ended");
  });

  if (!existsSync(join(EXAMPLES, "node_modules"))) throw new Error("run `npm ci` in examples first");
  const home = await mkdtemp(join(tmpdir(), "sealcast-app-"));
  endings.push(() => rm(home, { recursive: true, force: true }));
  const line = await recordingProxy();
  endings.push(line.close);
  const stateDir = join(home, "state");
  const logFile = join(home, "sealcast.log");
  const folder = isAbsolute(example) ? example : join(EXAMPLES, example);
  const server = await startServer(folder, args, {
    SEALCAST_BIN: BUILT, ...cleanEnv(), PORT: "0", STATE_DIR: stateDir, SEALCAST_LOG: "trace", SEALCAST_LOG_FILE: logFile,
    SEALCAST_VIA: line.url, ...env,
  });
  endings.push(() => server.stop());
  line.to(server.sealcastUrl);

  const chromium = browser ?? (await launchBrowser());
  if (!browser) endings.push(() => chromium.close());
  const traffic = [];
  const complaints = [];
  const contexts = [];

  async function openContext(options = {}) {
    const context = await chromium.newContext({
      viewport: { width: 1280, height: 800 }, colorScheme: "light", ignoreHTTPSErrors: true, locale: "en-GB", ...options,
    });
    contexts.push(context);
    endings.push(() => context.close());
    watch(context, traffic, complaints);
    return context;
  }

  return {
    url: server.url,
    sealcastUrl: server.sealcastUrl,
    stateDir,
    line,
    browser: chromium,
    complaints,
    output: server.output,
    /** A person of their own. `path` is opened in the first tab; `allow` are messages to expect on the console. */
    async open(path = "/", { allow = [], ...options } = {}) {
      const context = await openContext(options);
      const open = async (at = "/") => {
        const page = await context.newPage();
        page.setDefaultTimeout(SEE_MS);
        page.allowed = allow;
        await page.goto(new URL(at, server.url).href);
        return page;
      };
      return { context, open, page: await open(path) };
    },
    pictures: async (page, name, options) => assert.deepEqual(await pictures(page, name, options), []),
    pictureFolder,
    async restartSealcast(signal = "SIGTERM") {
      const before = server.pid();
      process.kill(before, signal);
      await eventually("another Sealcast", () => server.pid() !== before);
    },
    /** All that travelled or was stored, by source. `only` keeps the sources whose name it matches. */
    async sources(only = /./) {
      await Promise.all(traffic.map(({ body }) => body));
      const travelled = await Promise.all(traffic.map(async ({ source, bytes, body }) => ({ source, bytes: bytes ?? (await body) })));
      const all = [
        ...travelled,
        ...line.sources(),
        { source: "log of Sealcast", bytes: await readFile(logFile) },
        { source: "output of the backend", bytes: Buffer.from(server.output()) },
        ...(await filesIn(stateDir, "state")),
      ];
      return all.filter(({ source }) => only.test(source));
    },
    async searchFor(texts, only) {
      return search(await this.sources(only), texts);
    },
    assertQuiet: () => assert.deepEqual(complaints, []),
    stop: () => server.stop(),
    /** Resolves once the example has ended. */
    kill: (signal) => server.stop(signal),
  };
}

const cleanEnv = () =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => name === "SEALCAST_BIN" || !name.startsWith("SEALCAST_")));

async function startServer(folder, args, env) {
  const { match, stop, output } = await start(process.execPath, [join(folder, "server.mjs"), ...args], { env },
    /^[\w-]+ on (https?:\/\/\S+)\nSealcast on (http:\/\/\S+) \(process \d+\)\n/m);
  const pid = () => Number([...output().matchAll(/^Sealcast (?:on \S+|is back) \(process (\d+)\)$/gm)].at(-1)[1]);
  return { url: match[1], sealcastUrl: match[2], stop, output, pid };
}

/** Requests, answers and frames of a context, and everything on its consoles. */
function watch(context, traffic, complaints) {
  const note = (source, text) => traffic.push({ source, bytes: Buffer.isBuffer(text) ? text : Buffer.from(String(text)) });
  const place = (url) => `${new URL(url).host}${new URL(url).pathname}`;
  context.on("request", (request) => {
    const url = request.url();
    if (/^(?:data|blob):/.test(url)) return;
    const head = Object.entries(request.headers()).map(([name, value]) => `${name}: ${value}`).join("\n");
    note(`request to ${place(url)}`, `${request.method()} ${url}\n${head}\n`);
    const body = request.postDataBuffer();
    if (body) note(`body to ${place(url)}`, body);
    if (!/^https?:\/\/(?:localhost|127\.0\.0\.1):/.test(url)) complaints.push(`request to ${url}`);
  });
  context.on("requestfinished", (request) => {
    const url = request.url();
    if (/^(?:data|blob):/.test(url)) return;
    const body = request.response().then((response) => response?.body()).catch(() => undefined);
    traffic.push({ source: `answer of ${place(url)}`, body: body.then((bytes) => bytes ?? Buffer.alloc(0)) });
  });
  context.on("page", (page) => {
    page.on("websocket", (socket) => {
      note(`WebSocket to ${place(socket.url())}`, socket.url());
      socket.on("framesent", ({ payload }) => note("frame sent", payload));
      socket.on("framereceived", ({ payload }) => note("frame received", payload));
    });
    page.on("pageerror", (error) => complaints.push(String(error.stack ?? error)));
    page.on("console", (message) => {
      const text = message.text();
      const isAllowed = [...ALLOWED, ...(page.allowed ?? [])].some((pattern) => pattern.test(text));
      if (!isAllowed) complaints.push(`${message.type()}: ${text} (${message.location().url})`);
    });
  });
}
