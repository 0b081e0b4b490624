// Programs of a test: the server of a reader, and the backend of a page.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../../..');
const BINARY = resolve(ROOT, process.env.SEALCAST_BIN ?? 'target/debug/sealcast');
const START_MS = 60_000;
const POLL_MS = 50;
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SEALCAST_')));

/** Polls `look` until it returns a truthy value, and returns that. */
export async function eventually(look, what, { ms = 15_000, detail = () => '' } = {}) {
  for (const end = Date.now() + ms; ; await new Promise((done) => setTimeout(done, POLL_MS))) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}\n${detail()}`);
  }
}

export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** A process whose output is kept. It ends with the test file. */
export class Program {
  constructor(command, args, { cwd, env = {} } = {}) {
    // A group of its own: servers for development start others.
    this.child = spawn(command, args, { cwd, env: { ...clean, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.output = '';
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (chunk) => (this.output += chunk));
    this.ended = once(this.child, 'close');
    this.ended.catch(() => {});
    process.once('exit', () => this.#signal('SIGKILL'));
  }

  #signal(name) {
    try {
      process.kill(-this.child.pid, name);
    } catch {
      // It has ended.
    }
  }

  async printed(pattern) {
    const found = () => {
      assert.equal(this.child.exitCode, null, `the program ended:\n${this.output}`);
      return pattern.exec(this.output);
    };
    return eventually(found, `output like ${pattern}`, { ms: START_MS, detail: () => this.output });
  }

  async answers(url) {
    const asks = () => {
      assert.equal(this.child.exitCode, null, `the program ended:\n${this.output}`);
      return fetch(url).then((response) => response.status < 500, () => false);
    };
    await eventually(asks, url, { ms: START_MS, detail: () => this.output });
  }

  async stop() {
    this.#signal('SIGKILL');
    await this.ended;
  }
}

/** `sealcast serve --dev` in a folder of its own. */
export class Sealcast {
  static async start() {
    const server = new Sealcast();
    server.folder = await mkdtemp(join(tmpdir(), 'sealcast-'));
    const args = ['serve', '--dev', '--listen', '127.0.0.1:0', '--ops-listen', '127.0.0.1:0'];
    server.program = new Program(BINARY, args, { cwd: server.folder });
    [, server.port] = await server.program.printed(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
    return server;
  }

  /** Runs commands of a page, as its reader does, and returns their output. */
  async shell(commands) {
    const script = `sealcast() { '${BINARY}' "$@"; }\n${commands}`;
    const run = promisify(execFile)('bash', ['-euc', script], { cwd: this.folder, env: clean });
    return (await run.catch((error) => assert.fail(`${commands}\n${error.stdout}${error.stderr}`))).stdout;
  }

  /** The variable that a line of a page exports. */
  async exportedKey(line) {
    const key = await this.shell(`${line}\nprintf %s "$SEALCAST_MASTER_KEY"`);
    assert.match(key, /^[A-Za-z0-9+/]{43}=$/);
    return { SEALCAST_MASTER_KEY: key };
  }

  async stop() {
    await this.program.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
