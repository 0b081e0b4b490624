// pusher-js clients that reconnect by themselves, with a record of all frames of each connection.

import { authorizer, endpointOf } from './authorizer.mjs';
import { nodeBuild } from './builds.mjs';
import { optionsFor } from './client.mjs';
import { EVENT } from './swarm.mjs';

/** A counter for the order of happenings in this process. */
export class Clock {
  #now = 0;

  next() {
    this.#now += 1;
    return this.#now;
  }
}

/**
 * One subscription on one connection, as the client knows it: the connection is there since `connected`, `since` it was told that the
 * subscription has succeeded, and `until` the first sign of the connection's end, which is the error frame before the close frame, or
 * else the end itself.
 */
class Stay {
  until = Infinity;
  numbers = [];

  constructor(client, channel, connected, since) {
    Object.assign(this, { client, channel, connected, since });
  }
}

export class Regular {
  stays = [];
  /** By channel: the one that lasts. */
  #current = new Map();
  #clock;
  #connected;
  errors = [];

  /** `more` are further options of pusher-js. */
  constructor(name, { url, app, channels, clock, more = {} }) {
    this.name = name;
    this.channels = channels;
    this.#clock = clock;
    const customHandler = authorizer(endpointOf(url, app), { fields: { user_id: name }, agent: false });
    this.pusher = new nodeBuild(app.key, optionsFor(url, { channelAuthorization: { customHandler }, ...more }));
    const { connection } = this.pusher;
    const end = () => {
      const now = clock.next();
      this.#current.forEach((stay) => (stay.until = now));
      this.#current.clear();
    };
    connection.bind('error', (error) => {
      this.errors.push(error.error?.data?.code ?? error.data?.code ?? error.error?.code ?? String(error.error?.type));
      end();
    });
    connection.bind('state_change', ({ current }) => {
      if (current === 'connected') this.#connected = clock.next();
      else end();
    });
    for (const name of channels) this.#subscribe(name);
  }

  #subscribe(name) {
    const channel = this.pusher.subscribe(name);
    channel.bind('pusher:subscription_succeeded', () => this.begin(name));
    channel.bind(EVENT, ({ n }) => this.take(name, n));
  }

  /** The client was told that it is subscribed. */
  begin(channel) {
    const stay = new Stay(this.name, channel, this.#connected, this.#clock.next());
    this.stays.push(stay);
    this.#current.set(channel, stay);
  }

  /** Events after the sign of the end still belong to that subscription. */
  take(channel, n) {
    this.stays.findLast((stay) => stay.channel === channel).numbers.push(n);
  }

  /** True if all channels are subscribed. */
  get settled() {
    return this.#current.size === this.channels.length;
  }

  leave() {
    this.pusher.disconnect();
  }
}
