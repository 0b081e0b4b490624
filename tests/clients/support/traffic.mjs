import { Agent } from 'node:http';
import PusherSdk from 'pusher';
import { EVENT } from './swarm.mjs';
import { eventually } from './wait.mjs';

/** The default limit of events in a batch. */
const BATCH = 10;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Numbered plaintext messages on all channels, at a given rate and uneven times, each batch after the answer to the one
 * before. Even times would never fall into some of the moments that a rotation has.
 */
export class Traffic {
  /** Messages sent on each channel. */
  sent = 0;
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #stopped = false;

  constructor({ url, app, channels, perSecond }) {
    const { hostname: host, port } = url;
    this.sdk = new PusherSdk({ appId: app.id, key: app.key, secret: app.secret, host, port, agent: this.#agent, timeout: 20_000 });
    this.channels = channels;
    this.perSecond = perSecond;
  }

  start() {
    this.running = this.#run();
    // Reported by `stop`, which is awaited later.
    this.running.catch(() => {});
  }

  async #run() {
    const start = performance.now();
    for (let round = 0; !this.#stopped; round += 1) {
      const due = start + ((round + Math.random()) * 1000) / this.perSecond;
      await sleep(Math.max(0, due - performance.now()));
      await this.#round();
    }
  }

  async #round() {
    const data = JSON.stringify({ n: this.sent, at: Date.now() });
    for (let i = 0; i < this.channels.length; i += BATCH) {
      const batch = this.channels.slice(i, i + BATCH).map((channel) => ({ channel, name: EVENT, data }));
      await this.sdk.post({ path: '/batch_events', body: { batch } });
    }
    this.sent += 1;
  }

  /** Waits until this many further messages have been sent on each channel. */
  async more(count, ms = 30_000) {
    const wanted = this.sent + count;
    await eventually(() => this.sent >= wanted, `${count} messages`, { ms });
  }

  async stop() {
    this.#stopped = true;
    await this.running;
    this.#agent.destroy();
  }
}
