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
const PING = JSON.stringify({ event: "pusher:ping", data: {} });

/** Of each instance: its onGap, and positions by channel object, so that unsubscribing forgets them. */
const recovering = new Map();

/** Instances made before their runtime had recovering sockets. */
const early = new WeakSet();

/** Decodes base64 in browsers and in Node.js. */
const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/** An empty object for text without members. */
const parsed = (text) => { try { return JSON.parse(text) ?? {}; } catch { return {}; } };

export function recover(pusher, Pusher, { onGap = () => {} } = {}) {
  const known = recovering.get(pusher);
  recovering.set(pusher, { pusher, onGap, positions: known?.positions ?? new WeakMap() });
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
        const from = own.positions.get(own.pusher.channel(frame.data.channel));
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
        // It answers the ping behind a replay, so all replays so far are over.
        if (frame.event === "pusher:pong") this.#replays.forEach((replay) => delete replay.end);
        const own = this.#own;
        // Looked up first: the handler may unsubscribe, and subscribe anew.
        const channel = own?.pusher.channel(frame.channel);
        if (!channel) return handler(message);
        if (!this.#passes(own, channel, frame)) return;
        // After the message was handed on: a cut before it brings the message again.
        try { handler(message); } finally { this.#note(own, channel, frame); }
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
      if (opens(channel, data)) return true;
      replay.isLost = true;
      own.positions.set(channel, end);
      own.onGap(channel.name, "unopenable", end);
      return false;
    }

    #note(own, channel, { event, data, position }) {
      if (event === "pusher_internal:subscription_succeeded") {
        this.#begin(own, channel, parsed(data).recover);
      } else if (event === "sealcast:gap") {
        const gap = parsed(data);
        const replay = this.#replays.get(channel.name);
        own.positions.set(channel, replay?.next ?? gap.position);
        delete replay?.next;
        own.onGap(channel.name, gap.reason, gap.position);
      } else if (position) {
        own.positions.set(channel, position);
      }
    }

    /** Notes the answer to a subscription: the newest position, or nothing without a log. */
    #begin(own, channel, answer) {
      const replay = this.#replays.get(channel.name) ?? {};
      if (!answer) {
        own.positions.delete(channel);
        if (replay.from) own.onGap(channel.name, "not_logged");
      } else if (!replay.from) {
        own.positions.set(channel, answer.position);
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
