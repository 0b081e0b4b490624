// "What the server sees": the last frame of each conversation, and what can be known from it.

import { channelOf } from "./line.js";

const TEXTS = {
  "client-message": {
    caption: (name, isMine, n) => `Message ${n} ${isMine ? `to ${name}` : `from ${name}`}, the one with the ring`,
    knows: "that you two talk, when, and about how much",
    cannot: (n) => `a word of it. And number ${n} opens once: playing it again does nothing`,
  },
  "client-opened": {
    caption: (name, isMine) => (isMine ? "Your browser says: opened" : `${name}’s browser says: opened`),
    knows: "that a message was opened, and when",
    cannot: () => "which words it was",
  },
  "client-typing": {
    caption: (name, isMine) => (isMine ? "You are typing" : `${name} is typing`),
    knows: "that somebody writes",
    cannot: () => "what is being written",
  },
  "client-offer": { caption: (name, isMine) => `The offer, ${isMine ? "yours" : `${name}’s`}` },
  "client-answer": { caption: (name, isMine) => `The answer, ${isMine ? "yours" : `${name}’s`}` },
  "client-confirm": { caption: () => "The confirmation: both have proved their keys" },
};
const HANDSHAKE = {
  knows: "both public keys. It handed them out, so compare the words",
  cannot: () => "the keys of this session: their secret halves stay in the two browsers",
};

export class Frames {
  #own;
  #panel;
  #last = new Map(); // channel to frame

  constructor(own, panel) {
    this.#own = own;
    this.#panel = panel;
  }

  /** Notes a frame of a WebSocket. Returns true if it belongs to a conversation. */
  take({ direction, text, bytes }) {
    const frame = parsed(text);
    if (!Object.hasOwn(TEXTS, frame.event) || !String(frame.channel).startsWith("private-dm-")) return false;
    const { n, sid } = typeof frame.data === "string" ? parsed(frame.data) : frame.data ?? {};
    const known = this.#last.get(frame.channel);
    // Acknowledgements follow each message: they must not push it away.
    const isMinor = frame.event === "client-opened" || frame.event === "client-typing";
    if (isMinor && known?.event === "client-message") return false;
    this.#last.set(frame.channel, { event: frame.event, text, bytes, isMine: direction === "out", n, sid });
    return true;
  }

  /** The frame that is shown: its message gets the ring. */
  focusOf(id) {
    const frame = this.#last.get(channelOf(this.#own.id, id));
    return frame?.event === "client-message" ? { sid: frame.sid, n: frame.n, isMine: frame.isMine } : undefined;
  }

  show({ id, name }) {
    const frame = this.#last.get(channelOf(this.#own.id, id));
    if (!frame) {
      this.#panel.lastFrame = null;
      this.#panel.silence("Nothing yet", `No frame between you and ${name} has travelled.`);
      return this.#panel.explain({ knows: "that both of you are here, and your public keys" });
    }
    if (this.#panel.lastFrame === frame.text) return;
    const { caption, knows = HANDSHAKE.knows, cannot = HANDSHAKE.cannot } = TEXTS[frame.event];
    this.#panel.show(frame.text, { caption: caption(name, frame.isMine, frame.n), bytes: frame.bytes });
    this.#panel.explain({ knows, cannot: cannot(frame.n) });
  }
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
