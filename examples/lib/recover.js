// Gives an unmodified pusher-js the events that it missed while it was away: docs/history.md.
//
//   import { recover } from "./recover.js";
//   const pusher = new Pusher(KEY, options);
//   recover(pusher, Pusher, { onGap: (channel, reason, position) => ... });   // load what is missing
//
// Sealcast tells a position with each logged event to clients that ask for it. pusher-js drops
// members that it does not know, so this file reads and adds them at the WebSocket. Call it directly
// after the instance is made; a second call replaces onGap. Events that a client excluded itself from
// by socket_id come back to it after a reconnect: give messages ids.

const ENCRYPTED = "private-encrypted-";
const OPEN = 1;
const PING = JSON.stringify({ event: "pusher:ping", data: {} });

/** Of each instance: its onGap, and places by channel object, so that unsubscribing forgets them. */
const recovering = new Map();

/** Instances made before their runtime had recovering sockets. */
const early = new WeakSet();

/** Decodes base64 in browsers and in Node.js. */
const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/** An empty object for text without members. */
const parsed = (text) => { try { return JSON.parse(text) ?? {}; } catch { return {}; } };

export function recover(pusher, Pusher, { onGap = () => {} } = {}) {
  const known = recovering.get(pusher);
  recovering.set(pusher, { pusher, onGap, places: known?.places ?? new WeakMap() });
  const { Runtime, instances } = Pusher;
  if (!Runtime.recovers) {
    Runtime.recovers = true;
    const api = recoveringSocket(Runtime.getWebSocketAPI());
    Runtime.getWebSocketAPI = () => api;
    for (const instance of instances) early.add(instance);
  }
  const isIdle = ["initialized", "disconnected"].includes(pusher.connection.state);
  if (early.delete(pusher) && !isIdle) {
    // It has begun to connect with the plain WebSocket.
    pusher.disconnect();
    pusher.connect();
  }
}

/** True also for what is no envelope: pusher-js reports that. */
function opens({ key, nacl }, data) {
  const { nonce, ciphertext } = parsed(data);
  if (!key || !nacl || !nonce) return true;
  try {
    return nacl.secretbox.open(bytes(ciphertext), bytes(nonce), key) !== null;
  } catch {
    return true;
  }
}

/**
 * How far a channel's page has come. pusher-js hands some encrypted events on later: those that need
 * another secret, which it asks for. A connection that is lost takes the secret with it, so the page
 * resumes before the first of them.
 */
class Place {
  // The positions of the newest event, and of the newest one before all that wait.
  #newest;
  #resume;
  // By position: true once pusher-js has dropped the event.
  #waiting = new Map();
  // The positions behind #resume of events that have been handed on.
  #known = new Set();

  constructor(position) {
    this.#newest = this.#resume = position;
  }

  get position() {
    return this.#resume;
  }

  get hasDropped() {
    return [...this.#waiting.values()].includes(true);
  }

  received(position) {
    this.#newest = position;
    if (this.#waiting.size === 0) this.#resume = position;
    else if (!this.#waiting.has(position)) this.#known.add(position);
  }

  /** True for an event of a replay that has been handed on before. */
  skips(position) {
    const isKnown = this.#known.delete(position);
    if (isKnown) this.received(position);
    return isKnown;
  }

  waits(position) {
    this.#waiting.set(position, false);
  }

  isWaiting(position) {
    return this.#waiting.has(position);
  }

  dropped(position) {
    this.#waiting.set(position, true);
  }

  opened(position) {
    this.#waiting.delete(position);
    this.#known.add(position);
    this.#moveOn();
  }

  /** What pusher-js has dropped is lost. */
  giveUp() {
    for (const [position, isDropped] of this.#waiting) if (isDropped) this.#waiting.delete(position);
    this.#moveOn();
  }

  /** Another connection brings what waits. */
  resumes() {
    this.#waiting.clear();
  }

  #moveOn() {
    if (this.#waiting.size > 0) return;
    this.#resume = this.#newest;
    this.#known.clear();
  }
}

function recoveringSocket(WebSocket) {
  return class extends WebSocket {
    #socketId;
    // By channel: the position that its subscription began `from`. After the answer also the `end` of
    // a replay of encrypted events, or the `next` position behind a gap.
    #replays = new Map();
    #handler;

    /** The instance that speaks on this socket. Frames of all others pass untouched. */
    get #own() {
      if (!this.#socketId) return undefined;
      return [...recovering.values()].find(({ pusher }) => pusher.connection.socket_id === this.#socketId);
    }

    send(text) {
      const own = this.#own;
      const frame = own ? parsed(text) : {};
      if (frame.event === "pusher:subscribe") {
        const place = own.places.get(own.pusher.channel(frame.data.channel));
        const from = place?.position;
        place?.resumes();
        this.#replays.set(frame.data.channel, { from });
        frame.data.recover = from ?? true;
        text = JSON.stringify(frame);
      }
      return super.send(text);
    }

    get onmessage() {
      return this.#handler;
    }

    set onmessage(handler) {
      this.#handler = handler && ((message) => {
        const frame = parsed(message.data);
        if (frame.event === "pusher:connection_established") this.#socketId = parsed(frame.data).socket_id;
        const own = this.#own;
        if (frame.event === "pusher:pong") this.#answered(own);
        // Looked up first: the handler may unsubscribe, and subscribe anew.
        const channel = own?.pusher.channel(frame.channel);
        if (!channel) return handler(message);
        if (!this.#passes(own, channel, frame)) return;
        // After the message was handed on: a cut before it brings the message again.
        try {
          this.#handOn(own, channel, frame, () => handler(message));
        } finally {
          this.#note(own, channel, frame);
        }
      });
      super.onmessage = this.#handler;
    }

    /**
     * False from the first event of a replay that the channel's present secret does not open, to the
     * replay's end. pusher-js would ask the auth endpoint once for each of these events.
     */
    #passes(own, channel, { data, position }) {
      const replay = this.#replays.get(channel.name);
      const end = replay?.end;
      if (!end) return true;
      // A replay has positions throughout, and nothing else between its events.
      if (!position || position === end) delete replay.end;
      if (!position) return true;
      if (replay.isLost) return false;
      if (own.places.get(channel).skips(position)) return false;
      if (opens(channel, data)) return true;
      replay.isLost = true;
      own.places.set(channel, new Place(end));
      own.onGap(channel.name, "unopenable", end);
      return false;
    }

    /** Watches whether pusher-js asks for a secret to open this event, and what becomes of it then. */
    #handOn(own, channel, { data, position }, handOn) {
      const place = own.places.get(channel);
      if (!position || !place || !channel.name.startsWith(ENCRYPTED)) return handOn();
      channel.authorize = (socketId, callback) => {
        delete channel.authorize;
        place.waits(position);
        channel.authorize(socketId, (error, answer) => {
          const isMissed = !place.isWaiting(position);
          if (isMissed) return callback(new Error("another connection brings the event"), null);
          try {
            callback(error, answer);
          } finally {
            this.#settle(place, position, !error && opens(channel, data));
          }
        });
      };
      try {
        handOn();
      } finally {
        delete channel.authorize;
      }
    }

    #settle(place, position, isOpened) {
      if (isOpened) return place.opened(position);
      place.dropped(position);
      // Its pong shows that the connection goes on without the event. Otherwise the next one brings it.
      if (this.readyState === OPEN) super.send(PING);
    }

    /** The server has answered a ping: all replays before it are over, and what was dropped is lost. */
    #answered(own) {
      this.#replays.forEach((replay) => delete replay.end);
      for (const channel of own?.pusher.allChannels() ?? []) {
        const place = own.places.get(channel);
        if (!place?.hasDropped) continue;
        const { position } = place;
        place.giveUp();
        own.onGap(channel.name, "unopenable", position);
      }
    }

    #note(own, channel, { event, data, position }) {
      if (event === "pusher_internal:subscription_succeeded") {
        this.#begin(own, channel, parsed(data).recover);
      } else if (event === "sealcast:gap") {
        const gap = parsed(data);
        const replay = this.#replays.get(channel.name);
        own.places.set(channel, new Place(replay?.next ?? gap.position));
        delete replay?.next;
        own.onGap(channel.name, gap.reason, gap.position);
      } else if (position) {
        const place = own.places.get(channel) ?? new Place(position);
        own.places.set(channel, place);
        place.received(position);
      }
    }

    /** Notes the answer to a subscription: the newest position, or nothing without a log. */
    #begin(own, channel, answer) {
      const replay = this.#replays.get(channel.name) ?? {};
      if (!answer) {
        own.places.delete(channel);
        if (replay.from) own.onGap(channel.name, "not_logged");
      } else if (!replay.from) {
        own.places.set(channel, new Place(answer.position));
      } else if (!answer.recovered) {
        // The gap follows. A cut before it must bring it again.
        replay.next = answer.position;
      } else if (answer.position !== replay.from && channel.name.startsWith(ENCRYPTED)) {
        // The events follow, and move the position. The last one is missing if its key was retired.
        replay.end = answer.position;
        super.send(PING);
      }
    }
  };
}
