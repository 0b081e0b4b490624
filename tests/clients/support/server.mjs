import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Admin } from './admin.mjs';
import { section } from './app.mjs';
import { toml } from './toml.mjs';
import { eventually, within } from './wait.mjs';

const ROOT = resolve(import.meta.dirname, '..');
export const BINARY = resolve(ROOT, process.env.SEALCAST_BIN ?? '../../target/debug/sealcast');

/** Counters of the operations listener that must be zero without clients. */
const MUST_BE_ZERO = ['sockets', 'subscriptions', 'channels', 'members', 'users', 'outbox_bytes', 'mailbox_bytes'];

/** The environment without variables that the server would take for settings. */
function withoutSettings(environment) {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('SEALCAST_')));
}

/** The real binary with its own configuration file, on ports chosen by the system. */
export class Server {
  #process;
  #folder;
  #settings;
  #errors = '';

  static async start(apps, settings = {}) {
    const server = new Server();
    await server.#start(apps, settings);
    return server;
  }

  async #start(apps, settings) {
    this.#folder = await mkdtemp(join(tmpdir(), 'sealcast-'));
    process.once('exit', () => this.#process.kill('SIGKILL'));
    this.#settings = { ...settings, apps: Object.fromEntries(apps.map((app) => [app.id, section(app)])) };
    await this.#launch();
  }

  async #launch() {
    const file = join(this.#folder, 'sealcast.toml');
    const config = toml({
      listen: '127.0.0.1:0',
      ops_listen: '127.0.0.1:0',
      log: 'warn',
      drain_seconds: 0,
      state_dir: this.#folder,
      ...this.#settings,
    });
    await writeFile(file, config, { mode: 0o600 });
    this.#process = spawn(BINARY, ['serve', '--config', file], {
      env: withoutSettings(process.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process.stderr.on('data', (chunk) => (this.#errors += chunk));
    this.ended = once(this.#process, 'close').then(([code, signal]) => ({ code, signal }));
    this.ended.catch(() => {});
    try {
      await within(this.#readAddresses(), 'both listeners', { ms: 15_000, detail: () => `; stderr: ${this.#errors}` });
    } catch (error) {
      await this.#cleanUp();
      throw error;
    }
  }

  async #readAddresses() {
    const address = /^(listening|operations) on (http:\/\/\S+)$/;
    const lines = createInterface({ input: this.#process.stdout });
    const found = new Promise((found) => {
      lines.on('line', (line) => {
        const [, which, url] = address.exec(line) ?? [];
        if (which === 'listening') this.url = new URL(url);
        if (which === 'operations') this.opsUrl = new URL(url);
        if (this.url && this.opsUrl) found();
      });
    });
    const ended = this.ended.then(({ code }) => {
      throw new Error(`the server ended with ${code} before it was ready; stderr: ${this.#errors}`);
    });
    await Promise.race([found, ended]);
  }

  /** The admin API, which needs no token there. */
  get admin() {
    return new Admin(join(this.#folder, 'admin.sock'));
  }

  async stats() {
    const response = await fetch(new URL('/stats', this.opsUrl), { signal: AbortSignal.timeout(5_000) });
    assert.equal(response.status, 200);
    return response.json();
  }

  async isReady() {
    const asked = fetch(new URL('/ready', this.opsUrl), { signal: AbortSignal.timeout(2_000) });
    return asked.then(async (response) => (await response.text()) && response.ok).catch(() => false);
  }

  /** Waits until the server says that it is ready: a node of a cluster has joined then. */
  async ready() {
    await eventually(() => this.isReady(), '/ready', { ms: 15_000, detail: () => `; stderr: ${this.#errors}` });
  }

  /** The leak check: waits until the server has no trace of clients. */
  async settled() {
    let stats;
    const isSettled = async () => {
      stats = await this.stats();
      return MUST_BE_ZERO.every((counter) => stats[counter] === 0);
    };
    await eventually(isSettled, 'every counter to be zero', { ms: 8_000, detail: () => `: ${JSON.stringify(stats)}` });
  }

  /** Stops the server and expects a clean end. */
  async stop() {
    if (this.stopped) return;
    this.stopped = true;
    try {
      await this.#end();
    } finally {
      await this.#cleanUp();
    }
  }

  /** Stops the server, then starts another one with the same settings and addresses. */
  async restart() {
    await this.#end();
    await this.revive();
  }

  /** Ends the server without a chance to say anything. Its files stay until it is revived and stopped. */
  async kill() {
    this.#process.kill('SIGKILL');
    await within(this.ended, 'the server to be killed');
    this.stopped = true;
  }

  /** Starts an ended server again. */
  async revive() {
    this.stopped = false;
    Object.assign(this.#settings, { listen: this.url.host, ops_listen: this.opsUrl.host });
    await this.#launch();
  }

  async #end() {
    this.#process.kill('SIGTERM');
    const end = await within(this.ended, 'the server to stop', { ms: 10_000 });
    assert.deepEqual(end, { code: 0, signal: null }, `stderr: ${this.#errors}`);
  }

  async #cleanUp() {
    this.#process.kill('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }
}
