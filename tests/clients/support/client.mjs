import { Inbox } from './inbox.mjs';
import { within } from './wait.mjs';

/** Options that lead pusher-js to the server at `url`. */
export function optionsFor(url, extra = {}) {
  const { hostname, port } = url;
  return { cluster: '', wsHost: hostname, wsPort: Number(port), forceTLS: false, enabledTransports: ['ws'], ...extra };
}

/** A pusher-js instance, with all its reports collected from the start. */
export class Client {
  /** Errors of the connection as pusher-js reports them. */
  #errors = new Inbox('connection errors');
  /** All messages of the connection, `data` decoded by pusher-js. */
  #messages = new Inbox('connection');
  #userEvents = new Inbox('user');
  #watchlist = new Inbox('watchlist');
  #states = new Inbox('connection states');

  /** `prefix` is that of the dialect: `pusher` or `jetsocket`. */
  constructor(pusher, prefix = 'pusher') {
    this.pusher = pusher;
    this.prefix = prefix;
    const { connection, user } = pusher;
    connection.bind('error', (error) => this.#errors.put(error.error?.data ?? error.data ?? error));
    connection.bind('message', (message) => this.#messages.put(message));
    connection.bind('state_change', ({ current }) => this.#states.put(current));
    user.bind_global((event, data) => this.#userEvents.put({ event, data }));
    user.watchlist.bind_global((event, data) => this.#watchlist.put({ event, users: data.user_ids }));
  }

  get socketId() {
    return this.pusher.connection.socket_id;
  }

  get state() {
    return this.pusher.connection.state;
  }

  async connected() {
    if (this.state !== 'connected') await this.reaches('connected');
    return this;
  }

  /** Waits until the connection goes into this state. */
  reaches(state) {
    return this.#states.next(`the state ${state}`, (current) => current === state);
  }

  /** Starts a subscription; its events are in its inbox. */
  subscribe(channel) {
    return new Subscription(this.pusher.subscribe(channel), this.prefix);
  }

  /** Subscribes and waits for success. */
  async subscribed(channel) {
    const subscription = this.subscribe(channel);
    await subscription.succeeded();
    return subscription;
  }

  /** Subscribes, waits for the refusal and returns the error as the application sees it. */
  refused(channel) {
    return this.subscribe(channel).refused();
  }

  unsubscribe(channel) {
    this.pusher.unsubscribe(channel);
  }

  /** The next error `{ code, message }` of the connection. */
  nextError() {
    return this.#errors.next('an error');
  }

  nextMessage(event) {
    return this.#messages.next(event, (message) => message.event === event);
  }

  /** Signs in and waits until events for the user can arrive. */
  async signedIn() {
    this.pusher.signin();
    const { data } = await this.nextMessage(`${this.prefix}:signin_success`);
    const user = JSON.parse(data.user_data);
    await this.#messages.next(
      'the subscription to the user',
      ({ event, channel }) =>
        event === `${this.prefix}_internal:subscription_succeeded` && channel === `#server-to-user-${user.id}`,
    );
    return user;
  }

  async nextUserEvent(event) {
    return (await this.#userEvents.next(event, (item) => item.event === event)).data;
  }

  async nextWatchlistEvent(event) {
    return (await this.#watchlist.next(`watchlist ${event}`, (item) => item.event === event)).users;
  }

  get userEvents() {
    return this.#userEvents.all.map(({ event }) => event);
  }

  /** Leaves and waits until pusher-js considers itself disconnected. */
  async disconnect() {
    if (this.state === 'disconnected') return;
    this.pusher.disconnect();
    await within(this.reaches('disconnected'), 'the client to disconnect');
  }
}

/** One channel of one client, with all its events collected in order. */
export class Subscription {
  #events;

  constructor(channel, prefix) {
    this.channel = channel;
    this.prefix = prefix;
    this.#events = new Inbox(channel.name);
    channel.bind_global((event, data) => this.#events.put({ event, data }));
  }

  get members() {
    return this.channel.members;
  }

  /** The application's view of a success: the members of a presence channel, else an empty object. */
  async succeeded() {
    const success = `${this.prefix}:subscription_succeeded`;
    const failure = `${this.prefix}:subscription_error`;
    const { event, data } = await this.#events.next('success', ({ event }) => event === success || event === failure);
    if (event === failure) throw new Error(`${this.channel.name} was refused: ${JSON.stringify(data)}`);
    return data;
  }

  /** The application's view of a refused subscription. */
  refused() {
    return this.next(`${this.prefix}:subscription_error`);
  }

  /** The data of the next unread event of this name. */
  async next(event) {
    return (await this.#events.next(event, (item) => item.event === event)).data;
  }

  /** The next event of this name with its metadata from pusher-js. Call it before the event is sent. */
  nextWithMetadata(event) {
    const arrived = new Promise((resolve) => {
      const once = (data, metadata) => {
        this.channel.unbind(event, once);
        resolve({ data, metadata });
      };
      this.channel.bind(event, once);
    });
    return within(arrived, `${event} at ${this.channel.name}`);
  }

  /** Names of the application's events so far, in the order of their arrival. */
  get seen() {
    return this.#events.all.map(({ event }) => event).filter((event) => !event.startsWith(`${this.prefix}:`));
  }

  trigger(event, data) {
    this.channel.trigger(event, data);
  }
}
