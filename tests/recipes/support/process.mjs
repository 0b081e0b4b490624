// Processes of a test: every wait with a deadline, every process ended in any case.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { eventually, within } from '../../clients/support/wait.mjs';

const START_MS = 30_000;
const STOP_MS = 15_000;

/** The environment without variables that the server would take for settings. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('SEALCAST_')),
);

export class Process {
  #child;
  output = '';

  constructor(command, args, env = {}) {
    this.command = command;
    // With SIGTERM, nginx and its like end their workers too.
    const all = ['--pdeathsig', 'TERM', command, ...args];
    // Debian has most of them where only root looks for programs.
    const PATH = `${process.env.PATH}:/usr/sbin`;
    this.#child = spawn('setpriv', all, { env: { ...ENVIRONMENT, PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => (this.output += text));
    }
    this.ended = once(this.#child, 'close');
    this.ended.catch(() => {});
  }

  get pid() {
    return this.#child.pid;
  }

  get hasEnded() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits for a condition, as long as the process lives. */
  async until(look, what) {
    const detail = () => `; ${this.command} said ${this.output.slice(-2000)}`;
    const looked = async () => {
      if (this.hasEnded) throw new Error(`${this.command} ended before ${what}: ${this.output.slice(-2000)}`);
      return look();
    };
    return eventually(looked, what, { ms: START_MS, detail });
  }

  says(pattern, count = 1) {
    const seen = () => [...this.output.matchAll(new RegExp(pattern, 'g'))].length >= count;
    return this.until(seen, `${pattern}, ${count} times`);
  }

  listensOn(port) {
    return this.until(() => isOpen(port), `a listener on ${port}`);
  }

  signal(name) {
    process.kill(this.pid, name);
  }

  async stop() {
    if (!this.hasEnded) this.#child.kill('SIGTERM');
    await within(this.ended, `${this.command} to stop`, { ms: STOP_MS }).catch(() => this.#child.kill('SIGKILL'));
    await this.ended;
  }
}

function isOpen(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** A port that was free a moment ago. */
export async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}
