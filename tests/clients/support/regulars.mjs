// pusher-js clients that reconnect by themselves, each of which keeps a record of what every one of its connections was sent.

import { authorizer, endpointOf } from './authorizer.mjs';
import { nodeBuild } from './builds.mjs';
import { optionsFor } from './client.mjs';
import { EVENT } from './swarm.mjs';

/** Counts what happens in this process: who has a lower number was first. */
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
    // What comes behind the sign of an end is still a part of that stay.
    channel.bind(EVENT, ({ n }) => this.stays.findLast((stay) => stay.channel === name).numbers.push(n));
  }

  /** Whether it is subscribed to everything. */
  get settled() {
    return this.#current.size === this.channels.length;
  }

  leave() {
    this.pusher.disconnect();
  }
}
