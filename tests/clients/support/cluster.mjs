import { aMasterKey } from './app.mjs';
import { Door } from './door.mjs';
import { Redis } from './redis.mjs';
import { Server } from './server.mjs';

/** The smallest that the configuration takes. */
export const LEASE_SECONDS = 4;

/** Members of a killed node are announced as gone this long after its lease, at the latest. */
export const AFTER_THE_LEASE_SECONDS = 3;

/** Several real servers on one Redis, behind a door. */
export class Cluster {
  /** `engine` is the path of another program than `redis-server`. */
  static async start(n, apps, { engine, ...settings } = {}) {
    const cluster = new Cluster();
    cluster.redis = await Redis.start(engine);
    const section = { url: cluster.redis.url, key: aMasterKey(), lease_seconds: LEASE_SECONDS };
    const starting = Array.from({ length: n }, () => Server.start(apps, { ...settings, cluster: section }));
    cluster.servers = await Promise.all(starting);
    await cluster.ready();
    cluster.door = await Door.start(cluster.servers);
    return cluster;
  }

  get url() {
    return this.door.url;
  }

  async ready() {
    await Promise.all(this.servers.map((server) => server.ready()));
  }

  /** Numbers of sockets, by node. */
  async sockets() {
    const stats = await Promise.all(this.servers.map((server) => server.stats()));
    return stats.map(({ sockets }) => sockets);
  }

  /** Waits until no node has a trace of clients. */
  async settled() {
    await Promise.all(this.servers.map((server) => server.settled()));
  }

  /** Stops the nodes in turn, each with a clean end. Redis goes on. */
  async stopNodes() {
    for (const server of this.servers) await server.stop();
  }

  async stop() {
    await this.stopNodes();
    await this.door.stop();
    await this.redis.stop();
  }
}
