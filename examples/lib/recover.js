// Gives an unmodified pusher-js the events that it missed while it was away: docs/history.md.
//
//   import { recover } from "./recover.js";
//   const pusher = new Pusher(KEY, options);
//   recover(pusher, Pusher, { onGap: (channel, reason, position) => ... });   // load what is missing
//
// Sealcast tells a position with each logged event to clients that ask for it. pusher-js drops
// members that it does not know, so this file reads and adds them at the WebSocket. Call it directly
// after the instance is made. Events that a client excluded itself from by socket_id come back to it after
// a reconnect: give messages ids.

const recovering = new Set();
const ENCRYPTED = "private-encrypted-";

/** Decodes base64 in browsers and in Node.js. */
const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

export function recover(pusher, Pusher, { onGap = () => {} } = {}) {
  recovering.add({ pusher, onGap, positions: new Map() });
  if (Pusher.Runtime.recovers) return;
  Pusher.Runtime.recovers = true;
  const api = recoveringSocket(Pusher.Runtime.getWebSocketAPI());
  Pusher.Runtime.getWebSocketAPI = () => api;
  // The first instance has begun to connect with the plain WebSocket.
  pusher.disconnect();
  pusher.connect();
}

const parsed = (text) => { try { return JSON.parse(text); } catch { return {}; } };

function recoveringSocket(WebSocket) {
  return class extends WebSocket {
    #socketId;
    // By channel: what the end of the replay under way, or the answer to a lost position, is.
    #replays = new Map();
    #handler;

    /** The instance that speaks on this socket. Frames of all others pass untouched. */
    get #own() {
      return [...recovering].find(({ pusher }) => this.#socketId && pusher.connection.socket_id === this.#socketId);
    }

    send(text) {
      const own = this.#own;
      const frame = own ? parsed(text) : {};
      const channel = frame.data?.channel;
      if (frame.event === "pusher:subscribe" && own) {
        frame.data.recover = own.positions.get(channel) ?? true;
        text = JSON.stringify(frame);
      } else if (frame.event === "pusher:unsubscribe" && own) {
        own.positions.delete(channel);
        this.#replays.delete(channel);
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
        if (own && !this.#opens(own, frame)) return;
        handler(message);
        // After the message was handed on: a cut before it brings the message again.
        if (own) this.#note(own, frame);
      });
      super.onmessage = this.#handler;
    }

    /** False for the rest of a replay that the channel's present secret does not open. */
    #opens(own, { event, channel, data }) {
      const replay = this.#replays.get(channel);
      if (!replay?.end || !channel.startsWith(ENCRYPTED) || event.startsWith("pusher")) return true;
      const { key, nacl } = own.pusher.channel(channel) ?? {};
      const { nonce, ciphertext } = parsed(data);
      if (!key || !nacl || !nonce || replay.lost) return !replay.lost;
      if (nacl.secretbox.open(bytes(ciphertext), bytes(nonce), key)) return true;
      replay.lost = true;
      own.positions.set(channel, replay.end);
      own.onGap(channel, "unopenable", replay.end);
      return false;
    }

    #note(own, { event, channel, data, position }) {
      const replay = this.#replays.get(channel);
      if (event === "pusher_internal:subscription_succeeded") {
        const answer = parsed(data).recover;
        if (!answer) return;
        // A replay moves the position itself, and a gap follows: a cut before it must bring it again.
        const known = own.positions.has(channel);
        if (!known) own.positions.set(channel, answer.position);
        else if (answer.position !== own.positions.get(channel)) {
          this.#replays.set(channel, answer.recovered ? { end: answer.position } : { next: answer.position });
        }
      } else if (event === "sealcast:gap") {
        const gap = parsed(data);
        own.positions.set(channel, replay?.next ?? gap.position);
        this.#replays.delete(channel);
        own.onGap(channel, gap.reason, gap.position);
      } else if (position && !replay?.lost) {
        own.positions.set(channel, position);
      }
      if (replay?.end && position === replay.end) this.#replays.delete(channel);
    }
  };
}
