// Messages under the keys of one session: sealed, numbered, authenticated, each opened once.

import { checkMac, DoesNotOpen, mac, openJson, sealJson } from "../../lib/crypto.js";
import { VERSION } from "./handshake.js";
import { ReplayWindow } from "./replay-window.js";

export const MAX_MESSAGES = 100;
export const MAX_AGE_MS = 15 * 60_000;
/** How long the keys still open what the other side sent a little late. */
export const FORMER_MS = 60_000;
const MAX_NUMBERS = 64;

/** `reason` is "altered", "replayed" or "old". */
export class Refused extends Error {
  constructor(reason, number) {
    super(`This message is ${reason}.`);
    Object.assign(this, { name: "Refused", reason, number });
  }
}

export class Session {
  #own;
  #peer;
  #keys;
  #window = new ReplayWindow();
  #sent = 0;
  #received = 0;
  #noteOut = 0;
  #noteIn = 0;
  #started;
  #now;

  /** `now` is a clock in milliseconds that nobody sets. */
  constructor({ sid, own, peer, keys, now }) {
    Object.assign(this, { sid });
    this.#own = own;
    this.#peer = peer;
    this.#keys = keys;
    this.#now = now;
    this.#started = now();
  }

  get used() {
    return this.#sent + this.#received;
  }

  get isSpent() {
    return this.used >= MAX_MESSAGES || this.#now() - this.#started >= MAX_AGE_MS;
  }

  get isOver() {
    return this.#now() - this.#started >= MAX_AGE_MS + FORMER_MS;
  }

  async seal(body) {
    const n = ++this.#sent;
    const head = [VERSION, this.sid, this.#own, this.#peer, n];
    const sealed = await sealJson(this.#keys.sealOut, body, ["message", ...head]);
    const envelope = { v: VERSION, sid: this.sid, from: this.#own, to: this.#peer, n, sealed };
    return { ...envelope, mac: await mac(this.#keys.macOut, ["envelope", ...head, sealed]) };
  }

  /** The HMAC first: nothing in an altered envelope is believed, its number neither. */
  async open(envelope) {
    const { sealed, mac: given } = envelope;
    const n = this.#numberOf(envelope);
    const head = [VERSION, this.sid, this.#peer, this.#own, n];
    if (typeof sealed !== "string" || !(await checkMac(this.#keys.macIn, ["envelope", ...head, sealed], given))) {
      throw new Refused("altered", n);
    }
    const verdict = this.#window.check(n);
    if (verdict !== "new") throw new Refused(verdict, n);
    const body = await openJson(this.#keys.sealIn, sealed, ["message", ...head]).catch((error) => {
      throw error instanceof DoesNotOpen ? new Refused("altered", n) : error;
    });
    this.#received++;
    return { body, n, skipped: this.#window.mark(n) };
  }

  /** What has no text: which numbers were opened, or that somebody writes. */
  async note(kind, numbers = []) {
    const at = ++this.#noteOut;
    const head = [VERSION, this.sid, this.#own, this.#peer, at];
    return {
      v: VERSION, sid: this.sid, from: this.#own, to: this.#peer, at, numbers,
      mac: await mac(this.#keys.macOut, [kind, ...head, numbers.length, ...numbers]),
    };
  }

  async readNote(kind, note) {
    const { at, numbers, mac: given } = note;
    const isList = Array.isArray(numbers) && numbers.length <= MAX_NUMBERS && numbers.every(isNumber);
    if (!this.#isFromPeer(note) || !isNumber(at) || !isList) throw new Refused("altered");
    const head = [VERSION, this.sid, this.#peer, this.#own, at];
    if (!(await checkMac(this.#keys.macIn, [kind, ...head, numbers.length, ...numbers], given))) throw new Refused("altered");
    if (at <= this.#noteIn) throw new Refused("replayed");
    this.#noteIn = at;
    return numbers;
  }

  #numberOf(envelope) {
    const { n } = envelope;
    if (!this.#isFromPeer(envelope) || !isNumber(n) || n > MAX_MESSAGES) throw new Refused("altered");
    return n;
  }

  #isFromPeer({ v, sid, from, to }) {
    return v === VERSION && sid === this.sid && from === this.#peer && to === this.#own;
  }
}

const isNumber = (value) => Number.isSafeInteger(value) && value > 0;
