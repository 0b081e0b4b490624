// A real client: pusher-js, loaded for this screen alone.

import { forgetTransport } from "../../prefs.js";
import { CHANNEL, optionsOf } from "./place.js";

const MAX_EVENTS = 20;
/** pusher-js tries again by itself; after this time the page says why it may not connect. */
const PATIENCE_MS = 5_000;

/** Events that no backend sent, such as the nudge of a rotation. */
const INTERNAL = /^(pusher|sealcast):/;

/** As a module, the file sets `self.Pusher`. */
async function load() {
  await import("../../vendor/pusher-js/dist/web/pusher-with-encryption.min.js");
  return self.Pusher;
}

export class Subscriber {
  /** The newest first: `{ at, event, text, envelope }`. */
  events = [];
  problem = undefined;
  isReady = false;
  #place;
  #changed;
  #pusher;
  #loaded = false;
  #socketId;
  #arrived = 0;
  #envelopes = [];
  #timer;
  #stopped = false;

  constructor(place, changed) {
    this.#place = place;
    this.#changed = changed;
  }

  async start() {
    if (!this.#place.isKnown) return this.#fail("The server listens on a Unix socket, out of reach of this page.", "Set public_url to the address of clients.");
    let Pusher;
    try {
      Pusher = await load();
    } catch (error) {
      return this.#fail(`pusher-js was not loaded: ${error.message}.`, "Reload this page.");
    }
    if (this.#stopped) return;
    this.#loaded = true;
    this.#pusher = new Pusher(this.#place.key, optionsOf(this.#place));
    this.#watchConnection(this.#pusher.connection);
    this.#watchChannel(this.#pusher.subscribe(CHANNEL));
    this.#timer = setTimeout(() => this.#socketId || this.#fail(`${this.#place.socket} does not answer.`, "Check that this browser reaches the address, and that public_url names it."), PATIENCE_MS);
    this.#changed();
  }

  #watchConnection(connection) {
    connection.bind("connected", () => {
      queueMicrotask(forgetTransport);
      this.#set({ problem: undefined }, connection.socket_id);
    });
    connection.bind("state_change", ({ current }) => {
      if (current === "connected") return;
      this.isReady = false;
      this.#set({}, undefined);
    });
    connection.bind("error", ({ error }) => error?.data?.message && this.#fail(`The server refuses the connection: ${error.data.message} (${error.data.code}).`, ""));
    connection.bind("message", ({ event, channel, data }) => channel === CHANNEL && data?.nonce && !INTERNAL.test(event) && this.#onWire(event, data));
  }

  #watchChannel(channel) {
    channel.bind("pusher:subscription_succeeded", () => this.#set({ isReady: true, problem: undefined }, this.#socketId));
    channel.bind("pusher:subscription_error", ({ error, status }) => this.#fail(`The channel was refused${status ? ` with ${status}` : ""}: ${error ?? "no reason"}.`, "See the screen Authorization."));
    channel.bind_global((event, data) => !INTERNAL.test(event) && this.#opened(event, data));
  }

  /** Ciphertext and the opened event come in either order, each event in its own. */
  #onWire(event, { nonce, ciphertext }) {
    const row = this.events.findLast((it) => it.event === event && !it.envelope);
    if (row) row.envelope = { nonce, ciphertext };
    else this.#envelopes.push({ event, nonce, ciphertext });
    this.#changed();
  }

  #opened(event, data) {
    const at = this.#envelopes.findIndex((it) => it.event === event);
    const envelope = at < 0 ? undefined : this.#envelopes.splice(at, 1)[0];
    this.#arrived += 1;
    this.events = [{ at: Date.now() / 1000, event, text: JSON.stringify(data, null, 2), envelope }, ...this.events].slice(0, MAX_EVENTS);
    this.#changed();
  }

  steps() {
    const { socket, endpoint } = this.#place;
    const state = (isDone, isNow) => (isDone ? "done" : this.problem && isNow ? "bad" : isNow ? "now" : "wait");
    const isConnected = Boolean(this.#socketId);
    return [
      { title: "Load pusher-js", text: "with encryption, from this server", state: state(this.#loaded, true) },
      { title: `Connect to ${socket}`, text: isConnected ? `socket id ${this.#socketId}` : "", state: state(isConnected, this.#loaded) },
      { title: `Subscribe to ${CHANNEL}`, text: isConnected ? `secret from ${endpoint}` : "", state: state(this.isReady, isConnected) },
      { title: this.#arrived ? "Open the first event" : "Wait for an event", text: this.#arrived ? `${this.#arrived} opened in this page` : "send one at the right", state: state(this.#arrived > 0, this.isReady) },
    ];
  }

  #set(values, socketId) {
    Object.assign(this, values);
    this.#socketId = socketId;
    this.#changed();
  }

  #fail(text, fix) {
    this.problem = { text, fix };
    this.#changed();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#pusher?.disconnect();
    forgetTransport();
    this.events = [];
    this.#envelopes = [];
  }
}
