// Real processes and a real browser, every wait with a deadline, every process ended in any case.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const START_MS = 20_000;
export const SEE_MS = 15_000;
const END_MS = 10_000;

const QUICKSTART = fileURLToPath(new URL("../../examples/quickstart/", import.meta.url));
const SEALCAST =
  process.env.SEALCAST_BIN ?? fileURLToPath(new URL("../../target/debug/sealcast", import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** The environment without settings of a server or quickstart used otherwise, and without ours. */
const cleanEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith("SEALCAST_")),
);

const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a program and resolves with what `announced` matched in its standard output. */
export async function start(command, args, options, announced) {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const ended = new Promise((resolve) => child.once("close", resolve));
  ended.then(() => running.delete(child));

  let output = "";
  const match = await new Promise((resolve, reject) => {
    const fail = (why) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`${command}: ${why}\n${output}`));
    };
    const timer = setTimeout(() => fail(`said nothing like ${announced} in ${START_MS} ms`), START_MS);
    child.once("error", (error) => fail(error.message));
    child.once("close", (code) => fail(`ended with ${code} before it was ready`));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        output += text;
        const found = announced.exec(output);
        if (found) {
          clearTimeout(timer);
          resolve(found);
        }
      });
    }
  });

  /** The signal, then SIGKILL; resolves with the exit code, `null` when it took the latter. */
  async function stop(signal = "SIGTERM") {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
    await ended;
    clearTimeout(timer);
    return child.exitCode;
  }
  return { match, stop, output: () => output };
}

export async function startSealcast(stateDir, listen = "127.0.0.1:0") {
  const args = ["serve", "--dev", "--listen", listen, "--state-dir", stateDir];
  const { match, stop } = await start(SEALCAST, args, { cwd: stateDir, env: cleanEnv }, /listening on (http:\/\/\S+)/);
  return { url: match[1], stop };
}

export async function startServer(config, stateDir) {
  const args = ["serve", "--config", config, "--state-dir", stateDir];
  const { match, stop } = await start(SEALCAST, args, { env: cleanEnv }, /listening on (https?:\/\/\S+)/);
  return { url: match[1], stop };
}

export async function startQuickstart(sealcastUrl, settings = {}) {
  if (!existsSync(join(QUICKSTART, "../node_modules"))) {
    throw new Error("run `npm ci` in examples first");
  }
  const env = { ...cleanEnv, PORT: "0", SEALCAST_URL: sealcastUrl, ...settings };
  const options = { cwd: QUICKSTART, env };
  const { match, stop } = await start(process.execPath, ["server.mjs"], options, /quickstart on (http:\/\/\S+)/);
  return { url: match[1], stop };
}

export function launchBrowser() {
  return chromium.launch({
    executablePath: CHROMIUM,
    timeout: START_MS,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A server, the quickstart's backend and a way to open tabs; all of it ends with the test. */
export async function rig(t, browser, settings) {
  const endings = [];
  t.after(async () => {
    const failures = [];
    for (const end of endings.reverse()) await end().catch((error) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, "not everything could be ended");
  });

  const stateDir = await mkdtemp(join(tmpdir(), "sealcast-browser-"));
  endings.push(() => rm(stateDir, { recursive: true, force: true }));
  const sealcast = await startSealcast(stateDir);
  endings.push(sealcast.stop);
  const quickstart = await startQuickstart(sealcast.url, settings);
  endings.push(quickstart.stop);
  const context = await browser.newContext({ colorScheme: "light", viewport: { width: 1180, height: 900 } });
  endings.push(() => context.close());

  return {
    sealcast,
    quickstart,
    /** Starts the server again where it was, with the key it had. */
    restartSealcast: async () => {
      const again = await startSealcast(stateDir, new URL(sealcast.url).host);
      endings.splice(1, 0, again.stop);
      return again;
    },
    openTab: () => openTab(context, quickstart.url),
  };
}

/** A page of the quickstart, with everything its socket received and everything it complained about. */
async function openTab(context, url) {
  const page = await context.newPage();
  page.setDefaultTimeout(SEE_MS);
  const received = [];
  const complaints = [];
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => received.push(String(payload))));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!/^(http|ws):\/\/127\.0\.0\.1:|^data:/.test(request.url())) complaints.push(`request to ${request.url()}`);
  });
  await page.goto(url);
  return { page, received, complaints };
}

/** Looks again until `look` returns something truthy. */
export async function eventually(what, look, deadline = SEE_MS) {
  const end = Date.now() + deadline;
  let last;
  do {
    last = await look();
    if (last) return last;
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while (Date.now() < end);
  throw new Error(`not seen within ${deadline} ms: ${what}`);
}

/** A picture, when `SCREENSHOT_DIR` names a directory. */
export async function screenshot(page, name) {
  const directory = process.env.SCREENSHOT_DIR;
  if (!directory) return;
  await mkdir(directory, { recursive: true });
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(directory, `quickstart-${name}.png`), fullPage: true, animations: "disabled" });
}
