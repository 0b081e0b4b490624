// The server of the examples without a browser: what ends, and how it is started.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, get } from "node:http";
import { connect } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { servePages } from "../../examples/lib/server.mjs";
import { startSealcast } from "../../examples/lib/sealcast.mjs";
import { serverApi } from "../../examples/lib/tokens.mjs";
import { passRequest } from "../../examples/lib/tunnel.mjs";

const TEST = { timeout: 30_000 };
const LIBRARY = new URL("../../examples/lib/", import.meta.url);
const QUICKSTART = fileURLToPath(new URL("../../examples/quickstart/server.mjs", import.meta.url));
const FIXTURE = fileURLToPath(new URL("fixture/server.mjs", import.meta.url));

async function listening(t, handler) {
  const server = createServer(handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => (server.closeAllConnections(), server.close()));
  return server;
}

const urlOf = (server) => `http://127.0.0.1:${server.address().port}`;

async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), "sealcast-lib-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

test("a stream that Sealcast breaks off ends behind the tunnel, too", TEST, async (t) => {
  const sealcast = await listening(t, (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: 1\n\n");
    request.socket.setTimeout(50, () => request.socket.destroy());
  });
  const front = await listening(t, (request, response) => passRequest(urlOf(sealcast), request, response));
  const [answer] = await once(get(`${urlOf(front)}/app/key/sse`), "response");
  await new Promise((resolve) => answer.on("error", () => {}).on("close", resolve).resume());
  assert.equal(answer.complete, false);
});

/** Runs the example of the tests until it ends by itself. */
async function endOf(t, { args = [], program = FIXTURE, ...env }) {
  const options = { env: { ...process.env, STATE_DIR: await folder(t), PORT: "0", ...env }, timeout: 10_000 };
  return new Promise((resolve) =>
    execFile(process.execPath, [program, ...args], options, (error, out, stderr) => resolve({ code: error?.code, stderr })));
}

test("a request that did not arrive in time is sent once more", TEST, async (t) => {
  const answers = [408, 200, 408, 408];
  const fake = createServer((_, response) => response.writeHead(answers.shift()).end("{}")).listen(0, "127.0.0.1");
  await once(fake, "listening");
  t.after(() => fake.close());
  const app = { id: "1001", key: "key", secret: "secret" };
  const api = serverApi({ url: () => `http://127.0.0.1:${fake.address().port}`, app });
  assert.deepEqual(await api.revokeUser("ben"), {});
  await assert.rejects(api.revokeUser("ben"), { name: "ApiError", status: 408 });
});

test("says that there is no such option", TEST, async (t) => {
  const { code, stderr } = await endOf(t, { args: ["--tsl"] });
  assert.match(stderr, /There is no option --tsl\. The only one is --tls/);
  assert.equal(code, 1);
});

test("says how to install the packages", TEST, async (t) => {
  const examples = fileURLToPath(new URL("../../examples/", import.meta.url));
  const bare = await folder(t);
  await cp(examples, bare, { recursive: true, filter: (path) => !/[/\\](node_modules|state)$/.test(path) });
  for (const name of ["quickstart", "planning-poker", "todo", "e2ee-chat", "messenger"]) {
    const { code, stderr } = await endOf(t, { program: join(bare, name, "server.mjs") });
    assert.equal(code, 1, name);
    assert.equal(stderr, "The packages of the examples are missing. Install them: npm ci --prefix examples\n", name);
  }
});

test("says in one sentence which variable is wrong, and what to write", TEST, async (t) => {
  const file = join(await folder(t), "file");
  await writeFile(file, "");
  const sentences = [
    [{ PORT: "abc" }, `PORT is "abc", which is no port. Choose one from 1 to 65535, such as PORT=8080, or leave PORT out for any free one.`],
    [{ PORT: "70000" }, `PORT is "70000", which is no port. Choose one from 1 to 65535, such as PORT=8080, or leave PORT out for any free one.`],
    [{ PORT: "-1", program: QUICKSTART, SEALCAST_URL: "http://127.0.0.1:1" },
      `PORT is "-1", which is no port. Choose one from 1 to 65535, such as PORT=8080, or leave PORT out for any free one.`],
    [{ STATE_DIR: file }, `The state directory ${file} cannot be used (EEXIST: ${file}). Choose another folder with STATE_DIR=...`],
    [{ STATE_DIR: join(file, "x"), args: ["--tls"] },
      `The state directory ${join(file, "x")} cannot be used (ENOTDIR: ${join(file, "x", "tls")}). Choose another folder with STATE_DIR=...`],
    [{ HOST_NAMES: "a:b" }, `HOST_NAMES has "a:b", which is no name of a machine. Write names with blanks between, without ports.`],
    [{ SEALCAST_VIA: "here" }, `SEALCAST_VIA is "here", which is no address. Write it like http://127.0.0.1:8080, or unset it.`],
    [{ SEALCAST_LOG_FILE: "/nowhere/log" }, "SEALCAST_LOG_FILE is /nowhere/log, which cannot be written (ENOENT). Name another file, or unset it."],
    [{ TOKEN_SECONDS: "soon", program: QUICKSTART },
      `TOKEN_SECONDS is "soon", which is no number of seconds. Write it like TOKEN_SECONDS=900, or leave it out.`],
  ];
  for (const [variables, sentence] of sentences) {
    assert.deepEqual(await endOf(t, variables), { code: 1, stderr: `${sentence}\n` });
  }
});

/** The example of the tests with its Sealcast; resolves once both run. */
async function running(t, stateDir) {
  const child = spawn(process.execPath, [FIXTURE], { env: { ...process.env, STATE_DIR: stateDir, PORT: "0" }, stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGTERM"));
  let output = "";
  const sealcast = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => {
      output += text;
      const [, url] = /Sealcast on (\S+) \(process \d+\)/.exec(output) ?? [];
      if (url) resolve(url);
    });
    child.once("close", () => reject(new Error(output)));
  });
  return { child, sealcast };
}

const hasEnded = (url) => fetch(`${url}/health`).then(() => false, () => true);

test("a backend that is killed leaves no Sealcast behind, and the next one starts", TEST, async (t) => {
  const stateDir = await folder(t);
  const first = await running(t, stateDir);
  first.child.kill("SIGKILL");
  const second = await running(t, stateDir);
  assert.ok(await hasEnded(first.sealcast));
  assert.equal(await hasEnded(second.sealcast), false);
  const ended = once(second.child, "close");
  second.child.kill("SIGTERM");
  await ended;
  assert.ok(await hasEnded(second.sealcast));
});

test("a page has the usual port, and names in any letters", TEST, async (t) => {
  process.env.HOST_NAMES = "Example.TEST";
  t.after(() => delete process.env.HOST_NAMES);
  let page;
  try {
    page = await servePages({ name: "x", folder: LIBRARY, port: 80, sealcast: { url: "http://127.0.0.1:1", app: { id: "1", key: "k", secret: "s" } } });
  } catch (error) {
    return t.skip(`port 80: ${error.message}`);
  }
  t.after(page.stop);
  assert.deepEqual(page.origins, ["http://localhost", "http://127.0.0.1", "http://example.test"]);
  for (const host of ["localhost", "127.0.0.1", "example.test", "evil.example"]) {
    const [answer] = await once(get("http://127.0.0.1/config.json", { headers: { host } }), "response");
    answer.resume();
    assert.equal(answer.statusCode, host.startsWith("evil") ? 421 : 200, host);
  }
});

test("a signal ends a server with open WebSockets under --tls", TEST, async (t) => {
  const sealcast = await listening(t);
  sealcast.on("upgrade", (request, socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
  const script = join(await folder(t), "page.mjs");
  await writeFile(script, `import { servePages } from ${JSON.stringify(new URL("server.mjs", LIBRARY).href)};
    const { url, stop } = await servePages({ name: "x", folder: new URL(${JSON.stringify(LIBRARY.href)}), sealcast: { url: "${urlOf(sealcast)}", app: {} } });
    process.once("SIGTERM", stop);
    console.log(url);`);
  const child = spawn(process.execPath, [script, "--tls"], { env: { ...process.env, STATE_DIR: await folder(t) }, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const { port } = new URL(String((await once(child.stdout, "data"))[0]).trim());
  const socket = connect({ port: Number(port), host: "127.0.0.1", rejectUnauthorized: false });
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  socket.write(`GET /app/k HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
  assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1\.1 101/);
  child.kill("SIGTERM");
  await once(child, "exit");
});

test("says what to do if its state has a user already", TEST, async (t) => {
  const stateDir = await folder(t);
  const first = await startSealcast({ stateDir });
  t.after(() => first.stop());
  await assert.rejects(startSealcast({ stateDir }), /another server has the state directory[^]*choose another folder with STATE_DIR=/);
});

test("a restart during a restart starts one Sealcast only", TEST, async (t) => {
  const stateDir = await folder(t);
  const program = join(stateDir, "sealcast");
  const starts = join(stateDir, "starts");
  // Says that it listens, and waits.
  await writeFile(program, `#!/bin/sh\necho $$ >> ${starts}\necho listening on http://127.0.0.1:9\nexec sleep 20\n`, { mode: 0o755 });
  const before = process.env.SEALCAST_BIN;
  process.env.SEALCAST_BIN = program;
  t.after(() => (before === undefined ? delete process.env.SEALCAST_BIN : (process.env.SEALCAST_BIN = before)));
  const sealcast = await startSealcast({ stateDir });
  t.after(() => sealcast.stop());
  process.kill(sealcast.pid, "SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 100));
  await sealcast.restart();
  const { pid } = sealcast;
  // Behind the pause of the first restart.
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(sealcast.pid, pid);
});
