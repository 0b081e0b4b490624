// A publisher with one request at a time; refused requests are retried.

import { Agent } from 'node:http';
import PusherSdk from 'pusher';
import { EVENT } from './swarm.mjs';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class PersistentPublisher {
  /** By number: the times of the accepted request and of its 200. */
  accepted = [];
  /** Failures by kind, with their number. */
  failures = new Map();
  #stopped = false;
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor({ url, app, channels, clock }) {
    const { hostname: host, port } = url;
    this.sdk = new PusherSdk({ appId: app.id, key: app.key, secret: app.secret, host, port, agent: this.#agent, timeout: 5_000 });
    Object.assign(this, { channels, clock });
  }

  start() {
    this.running = this.#run();
    // Reported by `stop`, which is awaited later.
    this.running.catch(() => {});
  }

  async #run() {
    for (let n = 0; !this.#stopped; ) {
      const data = JSON.stringify({ n });
      const sent = this.clock.next();
      try {
        await this.sdk.post({ path: '/batch_events', body: { batch: this.channels.map((channel) => ({ channel, name: EVENT, data })) } });
        this.accepted.push({ sent, answered: this.clock.next() });
        n += 1;
        // A rate that the clients can follow.
        await sleep(2);
      } catch (error) {
        const what = error.status ?? error.error?.code ?? String(error);
        this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
        await sleep(10);
      }
    }
  }

  async stop() {
    this.#stopped = true;
    await this.running;
    this.#agent.destroy();
  }
}
