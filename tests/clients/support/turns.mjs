// A publisher whose requests go to the nodes behind a door in turn.

import { Agent } from 'node:http';
import PusherSdk from 'pusher';
import { EVENT } from './swarm.mjs';
import { eventually } from './wait.mjs';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Numbered events, one request at a time and each on a connection of its own. A request that fails is not repeated. */
export class TurnPublisher {
  /** By channel: of each accepted event its number, and the times of its request and of the 200. */
  accepted = new Map();
  failures = [];
  /**
   * Numbers whose 200 says that other nodes may not have the event, and that its order may be another there: Redis stood still for a
   * second, as on a busy machine.
   */
  local = new Set();
  #stopped = false;
  #requests = 0;

  /** `plain` channels get one trigger of the SDK, `sealed` ones are sealed by the server, and `users` get events in turn. */
  constructor(name, { url, app, plain, sealed, users, clock, perSecond }) {
    const { hostname: host, port } = url;
    // A connection that is kept would lead to one node alone.
    const agent = new Agent({ keepAlive: false });
    this.sdk = new PusherSdk({ appId: app.id, key: app.key, secret: app.secret, host, port, agent, timeout: 20_000 });
    Object.assign(this, { name, plain, sealed, users, clock, perSecond });
  }

  start() {
    this.running = this.#run();
    // Reported by `stop`, which is awaited later.
    this.running.catch(() => {});
  }

  async #run() {
    const start = performance.now();
    while (!this.#stopped) {
      const due = start + ((this.#requests + Math.random()) * 1000) / this.perSecond;
      await sleep(Math.max(0, due - performance.now()));
      await this.#next();
    }
  }

  #next() {
    const data = { n: `${this.name}${this.#requests}` };
    const kind = this.#requests % 3;
    const user = this.users[Math.floor(this.#requests / 3) % this.users.length];
    this.#requests += 1;
    if (kind === 0) return this.#send(this.plain, data, () => this.sdk.trigger(this.plain, EVENT, data));
    if (kind === 1) return this.#send(this.sealed, data, () => this.#seal(data));
    return this.#send([`#server-to-user-${user}`], data, () => this.sdk.sendToUser(user, EVENT, data));
  }

  /** The SDK itself does not send plaintext to an encrypted channel, its `post` does. */
  #seal(data) {
    return this.sdk.post({ path: '/events', body: { name: EVENT, data: JSON.stringify(data), channels: this.sealed } });
  }

  async #send(channels, { n }, request) {
    const sent = this.clock.next();
    try {
      const answer = await request();
      const answered = this.clock.next();
      if (answer.headers.has('sealcast-delivery')) return this.local.add(n);
      for (const channel of channels) this.#of(channel).push({ n, sent, answered });
    } catch (error) {
      this.failures.push(`${n}: ${error.status ?? error.error?.code ?? error.error?.type ?? error}`);
    }
  }

  #of(channel) {
    if (!this.accepted.has(channel)) this.accepted.set(channel, []);
    return this.accepted.get(channel);
  }

  /** Waits until this many further requests have been answered. */
  async more(count) {
    const wanted = this.#requests + count;
    await eventually(() => this.#requests >= wanted, `${count} requests`, { ms: 30_000 });
  }

  async stop() {
    this.#stopped = true;
    await this.running;
  }
}
