// A FAKE of pusher-websocket-java 2.4.4, not the library itself: it mimics the library's encrypted channels.
// * One thread handles one frame after the other, and waits for the answer of the auth endpoint in between.
// * An event that does not open: the opener is disposed, a new authorization fetched, and the event tried once more.
// * If that request fails, the opener stays disposed: each later event of the channel throws, without another request.
// * After a close code that is not 40xx it reconnects, n * n seconds later for the nth time, and subscribes anew.

import { once } from 'node:events';
import { WebSocket } from 'ws';
import { opened } from './envelope.mjs';

const INTERNAL = 'pusher_internal:';

export class FakeJava {
  #socket;
  #socketId;
  #handled = Promise.resolve();
  #attempts = 0;
  #leaving = false;
  /** The key of its opener, or null. */
  #opener = null;
  /** Plaintexts received by the listener of `event`. */
  read = [];
  /** Events that open with neither the old nor the new secret: reported as decryption failures. */
  failed = 0;
  /** Events that threw for lack of an opener. */
  thrown = 0;
  /** Auth requests after the one for joining. */
  asked = 0;
  /** Codes of closes. */
  closes = [];
  /** Number of joins. */
  joined = 0;

  /** `ask({ socketId, channel })` asks the auth endpoint and returns its answer, or throws. */
  constructor({ url, app, channel, event, ask }) {
    this.url = new URL(`/app/${app.key}?client=java-client&protocol=5&version=2.4.4`, url).href.replace('http', 'ws');
    this.channel = channel;
    this.event = event;
    this.ask = ask;
    this.#connect();
  }

  #connect() {
    this.#socket = new WebSocket(this.url);
    this.#socket.on('message', (text) => this.#queue(() => this.#handle(JSON.parse(text))));
    this.#socket.on('error', () => {});
    this.#socket.on('close', (code) => this.#closed(code));
  }

  #closed(code) {
    if (this.#leaving) return;
    this.closes.push(code);
    if (code >= 4000 && code < 4100) return;
    this.#attempts += 1;
    this.reconnecting = setTimeout(() => this.#connect(), 1_000 * this.#attempts ** 2);
  }

  /** An exception ends this frame, not the thread. */
  #queue(handle) {
    this.#handled = this.#handled.then(handle).catch(() => {});
  }

  async #handle({ event, channel, data }) {
    if (event === 'pusher:connection_established') {
      this.#socketId = JSON.parse(data).socket_id;
      this.#attempts = 0;
      return this.#subscribe();
    }
    if (channel !== this.channel) return;
    if (event === `${INTERNAL}subscription_succeeded`) {
      this.joined += 1;
    } else {
      await this.#event(event, data);
    }
  }

  async #subscribe() {
    const auth = await this.#authenticate();
    this.#socket.send(JSON.stringify({ event: 'pusher:subscribe', data: { channel: this.channel, auth } }));
  }

  async #authenticate() {
    const { auth, shared_secret: secret } = await this.ask({ socketId: this.#socketId, channel: this.channel });
    this.#opener = new Uint8Array(Buffer.from(secret, 'base64'));
    return auth;
  }

  #open(data) {
    if (this.#opener === null) {
      this.thrown += 1;
      throw new TypeError('there is no opener');
    }
    return opened(data, this.#opener);
  }

  async #event(name, data) {
    let text = this.#open(data);
    if (text === null) {
      this.#opener = null;
      this.asked += 1;
      await this.#authenticate();
      text = this.#open(data);
    }
    if (text === null) this.failed += 1;
    else if (name === this.event) this.read.push(text);
  }

  async leave() {
    this.#leaving = true;
    clearTimeout(this.reconnecting);
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.close(1000);
    await once(this.#socket, 'close');
  }
}
