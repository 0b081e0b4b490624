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
 * One subscription on one connection, as the client knows it: `since` it was told that it has succeeded, and `until` the first sign
 * of the connection's end, which is the error frame before the close frame, or else the end itself.
 */
class Stay {
  until = Infinity;
  numbers = [];

  constructor(client, channel, since) {
    Object.assign(this, { client, channel, since });
  }
}

export class Regular {
  stays = [];
  /** By channel: the one that lasts. */
  #current = new Map();
  errors = [];

  constructor(name, { url, app, channels, clock }) {
    this.name = name;
    this.channels = channels;
    const customHandler = authorizer(endpointOf(url, app), { fields: { user_id: name }, agent: false });
    this.pusher = new nodeBuild(app.key, optionsFor(url, { channelAuthorization: { customHandler } }));
    const { connection } = this.pusher;
    const end = () => {
      const now = clock.next();
      this.#current.forEach((stay) => (stay.until = now));
      this.#current.clear();
    };
    connection.bind('error', (error) => {
      this.errors.push(error.error?.data?.code ?? error.error?.code ?? String(error.error?.type));
      end();
    });
    connection.bind('state_change', ({ current }) => {
      if (current !== 'connected') end();
    });
    for (const name of channels) this.#subscribe(name, clock);
  }

  #subscribe(name, clock) {
    const channel = this.pusher.subscribe(name);
    channel.bind('pusher:subscription_succeeded', () => {
      const stay = new Stay(this.name, name, clock.next());
      this.stays.push(stay);
      this.#current.set(name, stay);
    });
    // Events after the sign of the end still belong to that subscription.
    channel.bind(EVENT, ({ n }) => this.stays.findLast((stay) => stay.channel === name).numbers.push(n));
  }

  /** True if all channels are subscribed. */
  get settled() {
    return this.#current.size === this.channels.length;
  }

  leave() {
    this.pusher.disconnect();
  }
}
