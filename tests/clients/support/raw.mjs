import { once } from 'node:events';
import { WebSocket } from 'ws';
import { channelAuth } from './app.mjs';
import { Inbox } from './inbox.mjs';
import { within } from './wait.mjs';

/** A bare WebSocket: shows the frames as they are, before any client library has touched them. */
export class RawSocket {
  #socket;
  #frames = new Inbox('the raw socket');
  closed;

  static async open(server, app, query = 'protocol=7') {
    const raw = new RawSocket(new URL(`/app/${app.key}?${query}`, server.url), app);
    raw.established = await raw.#frames.next('a first frame');
    const { data } = raw.established;
    if (typeof data === 'string') raw.socketId = JSON.parse(data).socket_id;
    return raw;
  }

  constructor(url, app) {
    this.app = app;
    this.#socket = new WebSocket(url.href.replace('http', 'ws'));
    this.#socket.on('message', (text) => this.#frames.put(JSON.parse(text)));
    this.#socket.on('error', (error) => this.#frames.put({ event: 'failed', error: error.message }));
    this.closed = once(this.#socket, 'close').then(([code]) => code);
    this.closed.catch(() => {});
  }

  send(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  /** The next unread frame of this event, `data` as on the wire. */
  next(event) {
    return this.#frames.next(event, (frame) => frame.event === event);
  }

  /** Subscribes as an authorized client. */
  async subscribed(channel, prefix = 'pusher') {
    const auth = channelAuth(this.app, this.socketId, channel);
    this.send({ event: `${prefix}:subscribe`, data: { channel, auth } });
    return this.next(`${prefix}_internal:subscription_succeeded`);
  }

  /** Names of all events so far. */
  get seen() {
    return this.#frames.all.map(({ event }) => event);
  }

  async disconnect() {
    this.#socket.close(1000);
    await within(this.closed, 'the raw socket to close');
  }
}
