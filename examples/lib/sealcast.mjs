// Starts the Sealcast of an example with a configuration of its own, watches it, and ends it.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { accessSync, appendFileSync, constants, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { toToml } from "./toml.mjs";

export { toToml } from "./toml.mjs";

const APP_ID = "1001";
const APP_KEY = "example-key";
const START_MS = 20_000;
const END_MS = 10_000;
const RESTART_MS = [500, 5000];
/** One that dies sooner is restarted with growing pauses. */
const STEADY_MS = 10_000;
/** A Sealcast that stops has `drain_seconds` for its clients, which are 5. */
const RELEASE_MS = [300, 8000];
const MAX_OUTPUT = 4 * 1024 * 1024;

const built = (profile) => fileURLToPath(new URL(`../../target/${profile}/sealcast`, import.meta.url));

export function findSealcast() {
  const named = process.env.SEALCAST_BIN;
  if (named) {
    if (isProgram(named)) return named;
    throw new Error(`SEALCAST_BIN is ${named}, and there is no program. Unset it, or name the built program.`);
  }
  const inPath = (process.env.PATH ?? "").split(delimiter).filter(Boolean).map((folder) => join(folder, "sealcast"));
  const found = [built("release"), built("debug"), ...inPath].find(isProgram);
  if (found) return found;
  throw new Error("There is no sealcast program. Build it with `cargo build --release`, or name it: SEALCAST_BIN=/path/to/sealcast");
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Kept in a file for its own user alone, so that tokens, positions and logs outlive a restart. */
function keptSecret(folder, name, make) {
  const file = join(folder, name);
  if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o600, flag: "wx" });
  return readFileSync(file, "utf8").trim();
}

function writeConfig(folder, listen, origins, log, settings) {
  const { server = {}, app = {}, apps = {}, sealed = false } = settings;
  const secret = keptSecret(folder, "app-secret", () => randomBytes(24).toString("base64url"));
  const masterKey = sealed ? keptSecret(folder, "master-key", () => `base64:${randomBytes(32).toString("base64")}`) : undefined;
  const own = { key: APP_KEY, secret, origins, ...(masterKey && { master_key: masterKey }), ...app };
  const file = join(folder, "sealcast.toml");
  writeFileSync(file, toToml({ listen, workers: 2, log, ...server, apps: { [APP_ID]: own, ...apps } }), { mode: 0o600 });
  return { file, app: { id: APP_ID, key: own.key, secret: own.secret } };
}

/** Variables of another Sealcast on this machine must not change this one. */
const environment = () =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SEALCAST_")));

export async function startSealcast({ settings = {}, stateDir, origins = [], log = "warn", listen = "127.0.0.1:0" }) {
  const program = findSealcast();
  const config = inState(stateDir, () => {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    return writeConfig(stateDir, listen, origins, log, settings);
  });
  checkLogFile();
  const state = { child: undefined, url: undefined, output: "", isStopping: false, failures: 0, restarts: 0 };
  const killNow = () => state.child?.kill("SIGKILL");
  process.on("exit", killNow);

  function launch() {
    const args = ["serve", "--config", config.file, "--state-dir", join(stateDir, "sealcast")];
    if (state.url) args.push("--listen", new URL(state.url).host);
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: environment() });
    state.child = child;
    child.ended = new Promise((resolve) => child.once("close", resolve));
    endWithThisProcess(child);
    return announced(child, state);
  }

  /** Waits for the end of one that a killed backend has left. */
  async function begin() {
    const [pauseMs, mostMs] = RELEASE_MS;
    const end = Date.now() + mostMs;
    for (let isFirst = true; ; isFirst = false) {
      try {
        return await launch();
      } catch (error) {
        if (!error.isTaken || Date.now() > end) throw error;
        if (isFirst) console.log(`Another Sealcast has ${stateDir}. If it is about to end, this one starts then; it waits ${mostMs / 1000} s at most.`);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  function watch() {
    const { child } = state;
    const since = Date.now();
    child.ended.then(async (code) => {
      if (state.isStopping || state.child !== child) return;
      if (Date.now() - since > STEADY_MS) state.failures = 0;
      console.error(`Sealcast ended with ${code ?? child.signalCode}; it starts again.`);
      await revive();
    });
  }

  async function revive() {
    const { restarts } = state;
    // A restart by hand may be faster.
    const isOver = () => state.isStopping || state.restarts !== restarts;
    while (!isOver()) {
      const [least, most] = RESTART_MS;
      await new Promise((resolve) => setTimeout(resolve, Math.min(most, least * 2 ** state.failures++)));
      if (isOver()) return;
      try {
        await launch();
        console.log(`Sealcast is back (process ${state.child.pid})`);
        return watch();
      } catch (error) {
        console.error(error.message);
      }
    }
  }

  async function end() {
    const { child } = state;
    // Without an id it never ran.
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
    await child.ended;
    clearTimeout(timer);
  }

  state.url = await begin();
  watch();
  return {
    url: state.url,
    app: config.app,
    stateDir,
    configFile: config.file,
    get pid() {
      return state.child.pid;
    },
    output: () => state.output,
    async restart() {
      state.restarts++;
      state.isStopping = true;
      await end();
      state.isStopping = false;
      await launch().catch((error) => {
        revive();
        throw error;
      });
      watch();
    },
    async stop() {
      state.isStopping = true;
      await end();
      process.off("exit", killNow);
    },
  };
}

/** A sentence for a folder that cannot be used. */
export function inState(stateDir, work) {
  try {
    return work();
  } catch (error) {
    if (!error.syscall) throw error;
    throw new Error(`The state directory ${stateDir} cannot be used (${error.code}: ${error.path ?? stateDir}). Choose another folder with STATE_DIR=...`);
  }
}

function checkLogFile() {
  const file = process.env.SEALCAST_LOG_FILE;
  if (!file) return;
  try {
    appendFileSync(file, "");
  } catch ({ code }) {
    throw new Error(`SEALCAST_LOG_FILE is ${file}, which cannot be written (${code}). Name another file, or unset it.`);
  }
}

/**
 * A process that is killed at once says nothing to its children. But its pipes end with it: the shell
 * at the other end of this one then ends Sealcast. While this process lives, nobody else gets the id:
 * it tells the shell when the child has ended.
 */
function endWithThisProcess(child) {
  if (!child.pid) return;
  const script = 'read -r word; [ -n "$word" ] || kill "$1"';
  // In a session of its own, so that a signal for this process group leaves it alone.
  const guard = spawn("sh", ["-c", script, "sealcast-guard", String(child.pid)], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  // Without a shell, a Sealcast may be left behind.
  guard.on("error", () => {});
  guard.stdin.on("error", () => {});
  guard.unref();
  guard.stdin.unref();
  child.once("exit", () => guard.stdin.end("ended\n"));
}

/** Resolves with the address that the program prints, once it listens. */
function announced(child, state) {
  return new Promise((resolve, reject) => {
    let text = "";
    const fail = (why) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      const isTaken = text.includes("another server has the state directory");
      const fix = isTaken ? "\nThis example runs already: end it, or choose another folder with STATE_DIR=..." : "";
      reject(Object.assign(new Error(`Sealcast did not start: ${why}\n${text.trim()}${fix}`), { isTaken }));
    };
    const timer = setTimeout(() => fail(`nothing heard in ${START_MS / 1000} s`), START_MS);
    child.once("error", ({ code }) => fail(`${child.spawnfile} does not run (${code}). Name another program with SEALCAST_BIN=...`));
    child.once("close", (code) => fail(`it ended with ${code}`));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        if (process.env.SEALCAST_LOG_FILE) appendFileSync(process.env.SEALCAST_LOG_FILE, chunk);
        state.output = (state.output + chunk).slice(-MAX_OUTPUT);
        text = (text + chunk).slice(-20_000);
        if (stream === child.stderr) showErrors(chunk);
        const [, url] = /listening on (https?:\/\/\S+)\s/.exec(text) ?? [];
        if (!url) return;
        clearTimeout(timer);
        resolve(url);
      });
    }
  });
}

function showErrors(chunk) {
  for (const line of chunk.split("\n")) if (/\b(?:WARN|ERROR)\b/.test(line)) console.error(`Sealcast: ${line}`);
}
