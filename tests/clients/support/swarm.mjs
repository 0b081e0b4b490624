// Many pusher-js clients on the same channels; each checks the order of its numbered messages.

import { authorizer, endpointOf } from './authorizer.mjs';
import { nodeBuild } from './builds.mjs';
import { optionsFor } from './client.mjs';
import { opened } from './envelope.mjs';
import { eventually, within } from './wait.mjs';

/** The event that carries `{ n, at }`: the number of the message on its channel, and when it was sent. */
export const EVENT = 'tick';

/** Bound on the reported details of a failure. */
const ANOMALIES = 20;

class Member {
  /** Number of the next message, by channel. */
  expected = new Map();
  /** The envelope of the last message, by channel. */
  envelopes = new Map();

  constructor(swarm, name, { url, app, endpoint = endpointOf(url, app), before = () => {}, build: Build = nodeBuild }) {
    this.swarm = swarm;
    this.name = name;
    const counted = (channel) => {
      swarm.asked.push({ at: Date.now(), member: name, channel });
      return before(channel);
    };
    const customHandler = authorizer(endpoint, { before: counted });
    this.pusher = new Build(app.key, optionsFor(url, { channelAuthorization: { customHandler } }));
    this.pusher.connection.bind('error', (error) => swarm.anomaly({ member: name, error: String(error.error?.data?.message ?? error) }));
  }

  async join(channels) {
    const { connection } = this.pusher;
    await new Promise((connected) => connection.bind('connected', connected));
    await Promise.all(channels.map((channel) => this.#subscribe(channel)));
    connection.bind('state_change', ({ current }) => this.swarm.states.push({ member: this.name, state: current }));
    connection.bind('message', ({ event, channel, data }) => {
      if (event === EVENT) this.envelopes.set(channel, data);
    });
  }

  #subscribe(name) {
    this.expected.set(name, 0);
    const channel = this.pusher.subscribe(name);
    channel.bind(EVENT, (message) => this.#take(name, message));
    channel.bind_global((event) => {
      if (event !== EVENT && event !== 'pusher:subscription_succeeded') this.swarm.others.push({ member: this.name, channel: name, event });
    });
    return new Promise((resolve, reject) => {
      channel.bind('pusher:subscription_succeeded', resolve);
      channel.bind('pusher:subscription_error', (error) => reject(new Error(`${name}: ${JSON.stringify(error)}`)));
    });
  }

  #take(channel, { n, at }) {
    const expected = this.expected.get(channel);
    this.swarm.received += 1;
    this.swarm.note(Date.now() - at);
    if (n !== expected) this.swarm.anomaly({ member: this.name, channel, expected, got: n });
    this.expected.set(channel, Math.max(expected, n + 1));
  }
}

/** `options`: `url` of the server, `app`, `channels`; and if they are to be others than usual, `endpoint`, `build`, and `before` (see `authorizer`). */
export class Swarm {
  #members;
  #worstLag = 0;
  received = 0;
  /** `{ at, member, channel }` for each auth request. */
  asked = [];
  /** States of a connection after its first `connected`. */
  states = [];
  /** Channel events other than messages. */
  others = [];
  disorder = 0;
  anomalies = [];

  constructor(from, count, options) {
    this.channels = options.channels;
    this.#members = Array.from({ length: count }, (_, i) => new Member(this, from + i, options));
  }

  async join(ms = 60_000) {
    await within(Promise.all(this.#members.map((member) => member.join(this.channels))), 'everybody to join', { ms });
    this.asked = [];
  }

  anomaly(what) {
    this.disorder += 1;
    if (this.anomalies.length < ANOMALIES) this.anomalies.push(what);
  }

  note(lag) {
    this.#worstLag = Math.max(this.#worstLag, lag);
  }

  /** Milliseconds of the latest message's delay since the last call. */
  lag() {
    const lag = this.#worstLag;
    this.#worstLag = 0;
    return lag;
  }

  /** Messages of `sent` missing on each channel. */
  missing(sent) {
    return this.#places().reduce((sum, [member, channel]) => sum + Math.max(0, sent - member.expected.get(channel)), 0);
  }

  /** Waits until no message is missing, or gives up; returns the missing ones. */
  async drained(sent, ms = 15_000) {
    await eventually(() => this.missing(sent) === 0, 'every message', { ms }).catch(() => {});
    return this.missing(sent);
  }

  /** Number of last envelopes that open with the key from `keyOf(channel)`. */
  opening(keyOf) {
    return this.#places().filter(([member, channel]) => {
      const envelope = member.envelopes.get(channel);
      return envelope !== undefined && opened(JSON.stringify(envelope), keyOf(channel)) !== null;
    }).length;
  }

  #places() {
    return this.#members.flatMap((member) => this.channels.map((channel) => [member, channel]));
  }

  report() {
    const { received, asked, states, others, disorder, anomalies } = this;
    return { received, asked, states, others, disorder, anomalies };
  }

  leave() {
    this.#members.forEach(({ pusher }) => pusher.disconnect());
  }
}
