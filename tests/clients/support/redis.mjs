import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, within } from './wait.mjs';

/** A path of another engine, such as Valkey. */
const PROGRAM = process.env.SEALCAST_TEST_REDIS ?? 'redis-server';

/** An engine for one test: on loopback, without persistence, in a directory of its own. */
export class Redis {
  #process;
  #folder;

  /** Another program may take the free port before the engine does: then the next one is tried. */
  static async start(program = PROGRAM) {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const redis = new Redis();
      if (await redis.#start(program)) return redis;
    }
    throw new Error(`${program} has not started: these tests need the Debian package redis-server`);
  }

  async #start(program) {
    this.port = await freePort();
    this.#folder = await mkdtemp(join(tmpdir(), 'sealcast-redis-'));
    const settings = { port: this.port, bind: '127.0.0.1', save: '', appendonly: 'no', daemonize: 'no', dir: this.#folder };
    const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    // It ends with the test, however that ends.
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...options], { stdio: 'ignore' });
    this.ended = once(this.#process, 'close');
    this.ended.catch(() => {});
    const isDecided = async () => this.#hasEnded || (await this.#isOurs());
    await eventually(isDecided, 'Redis to start', { ms: 20_000 });
    if (this.#hasEnded) await this.#cleanUp();
    return !this.#hasEnded;
  }

  get #hasEnded() {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Another server on the same port would have another process id. */
  async #isOurs() {
    const info = await this.ask('INFO server', `process_id:${this.#process.pid}\r\n`).catch(() => '');
    return info !== '';
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Sends one command, and reads until the answer contains `end`. */
  async ask(command, end) {
    const socket = connect(this.port, '127.0.0.1');
    const answered = new Promise((resolve, reject) => {
      let text = '';
      socket.setEncoding('latin1');
      socket.on('data', (chunk) => {
        text += chunk;
        if (text.includes(end)) resolve(text);
      });
      socket.on('error', reject);
      socket.on('close', () => reject(new Error(`Redis has closed the connection after ${text}`)));
    });
    try {
      socket.write(`${command}\r\n`);
      return await within(answered, `the answer to ${command}`);
    } finally {
      socket.destroy();
    }
  }

  /** A line of `INFO server`. */
  async about(name) {
    const text = await this.ask('INFO server\r\nPING the-end', '\r\nthe-end\r\n');
    return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(text)?.[1];
  }

  async flush() {
    await this.ask('FLUSHALL', '+OK\r\n');
  }

  async stop() {
    this.#process.kill('SIGKILL');
    await this.ended;
    await this.#cleanUp();
  }

  async #cleanUp() {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}
