// Many pusher-js clients on the same channels, each of which checks that it gets numbered messages in their order.

import { authorizer, endpointOf } from './authorizer.mjs';
import { nodeBuild } from './builds.mjs';
import { optionsFor } from './client.mjs';
import { opened } from './envelope.mjs';
import { eventually, within } from './wait.mjs';

/** The event that carries `{ n, at }`: the number of the message on its channel, and when it was sent. */
export const EVENT = 'tick';

/** Enough to see what went wrong, and no more. */
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
  /** `{ at, member, channel }` for each question to the auth endpoint. */
  asked = [];
  /** States that a connection went into after it was connected. */
  states = [];
  /** Events of channels that are no messages. */
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

  /** How many milliseconds late the latest message was since this was last asked. */
  lag() {
    const lag = this.#worstLag;
    this.#worstLag = 0;
    return lag;
  }

  /** Messages of `sent` for each channel that did not arrive. */
  missing(sent) {
    return this.#places().reduce((sum, [member, channel]) => sum + Math.max(0, sent - member.expected.get(channel)), 0);
  }

  /** Waits until nothing is missing any more, or gives up; returns what is. */
  async drained(sent, ms = 15_000) {
    await eventually(() => this.missing(sent) === 0, 'every message', { ms }).catch(() => {});
    return this.missing(sent);
  }

  /** How many of the last envelopes open with the key that `keyOf(channel)` gives. */
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
