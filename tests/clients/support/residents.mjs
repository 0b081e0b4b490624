import { Regular } from './regulars.mjs';
import { EVENT } from './swarm.mjs';

export const PRESENCE = 'presence-room';

/** A signed-in user with pusher-js who stays: keeps what it is told about the others, on all its connections. */
export class Resident extends Regular {
  /** Everybody announced as gone, each time. */
  gone = [];
  /** Everybody announced as new to whom they were in the roster already. */
  repeated = [];
  /** Of the watchlist. */
  offline = [];
  /** Subscriptions that were refused. */
  refused = [];
  /** Members as this client knows them. */
  roster = new Set();

  /** `url` leads to a node or a door, and `users` to a backend for sign-ins. */
  constructor(name, { url, users, app, channels, clock }) {
    const { userAuthentication } = users.options({ user: name });
    super(name, { url, app, channels, clock, more: { userAuthentication } });
    for (const channel of channels) {
      this.pusher.channel(channel).bind('pusher:subscription_error', (error) => this.refused.push({ channel, error }));
    }
    this.#watchMembers();
    this.#signIn();
  }

  #watchMembers() {
    const room = this.pusher.channel(PRESENCE);
    room.bind('pusher:subscription_succeeded', (members) => {
      this.roster.clear();
      members.each(({ id }) => this.roster.add(id));
    });
    room.bind('pusher:member_added', ({ id }) => {
      if (this.roster.has(id)) this.repeated.push(id);
      this.roster.add(id);
    });
    room.bind('pusher:member_removed', ({ id }) => {
      this.gone.push(id);
      this.roster.delete(id);
    });
  }

  #signIn() {
    const { connection, user } = this.pusher;
    const own = `#server-to-user-${this.name}`;
    this.channels = [...this.channels, own];
    connection.bind('message', ({ event, channel }) => {
      if (event === 'pusher_internal:subscription_succeeded' && channel === own) this.begin(own);
    });
    user.bind(EVENT, ({ n }) => this.take(own, n));
    user.watchlist.bind('offline', ({ user_ids: ids }) => this.offline.push(...ids));
    user.signin();
  }
}
