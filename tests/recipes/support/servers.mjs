// One server, and two nodes of a cluster, as the recipes have them.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Admin } from '../../clients/support/admin.mjs';
import { aMasterKey, aSealingApp, section } from '../../clients/support/app.mjs';
import { Redis } from '../../clients/support/redis.mjs';
import { toml } from '../../clients/support/toml.mjs';
import { Process, freePort } from './process.mjs';

const HERE = resolve(import.meta.dirname, '..');
const BINARY = resolve(HERE, process.env.SEALCAST_BIN ?? '../../target/debug/sealcast');

/** The real binary behind a proxy. A node that was stopped can be started again at its addresses. */
export class Server {
  static async start(app, settings) {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), 'sealcast-'));
    [server.port, server.opsPort] = [await freePort(), await freePort()];
    const file = {
      listen: `127.0.0.1:${server.port}`,
      ops_listen: `127.0.0.1:${server.opsPort}`,
      state_dir: server.folder,
      trusted_proxies: ['127.0.0.1'],
      log: 'warn',
      drain_seconds: 1,
      ...settings,
      apps: { [app.id]: section(app) },
    };
    await writeFile(join(server.folder, 'sealcast.toml'), toml(file), { mode: 0o600 });
    await server.run();
    return server;
  }

  async run() {
    this.process = new Process(BINARY, ['serve', '--config', join(this.folder, 'sealcast.toml')]);
    await this.process.until(() => this.isReady(), '/ready');
  }

  async isReady() {
    const asked = fetch(`http://127.0.0.1:${this.opsPort}/ready`, { signal: AbortSignal.timeout(2_000) });
    return asked.then(async (answer) => (await answer.text()) && answer.ok).catch(() => false);
  }

  get admin() {
    return new Admin(join(this.folder, 'admin.sock'));
  }

  /** Drains and ends; its files stay. */
  async drain() {
    await this.process.stop();
  }

  async stop() {
    await this.process.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** `single` is a server alone; `nodes` are two of a cluster. */
export class Servers {
  static async start(settings) {
    const servers = new Servers();
    servers.app = aSealingApp({ authorizer: 'open', client_events: true });
    servers.redis = await Redis.start();
    const cluster = { url: servers.redis.url, key: aMasterKey() };
    const starting = [{}, { cluster }, { cluster }].map((more) => Server.start(servers.app, { ...settings, ...more }));
    [servers.single, ...servers.nodes] = await Promise.all(starting);
    return servers;
  }

  get ports() {
    return this.nodes.map(({ port }) => port);
  }

  /** The node that has this connection. */
  async nodeOf(socketId) {
    const has = (node) => node.admin.call('GET', `/admin/apps/${this.app.id}/connections/${socketId}`);
    const answers = await Promise.all(this.nodes.map(has));
    return this.nodes[answers.findIndex(({ status }) => status === 200)];
  }

  async stop() {
    await Promise.all([this.single, ...this.nodes].map((server) => server?.stop()));
    await this.redis.stop();
  }
}
