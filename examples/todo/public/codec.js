// Text to list and back, as the layers of the list demand. A frame that does not open changes nothing.

import { DoesNotOpen, openJson, sealJson } from "../../lib/crypto.js";
import { checkedList, isVersionOf } from "./changes.js";
import { hasHeadOf, openFrame, readHead, sealFrame } from "./envelope.js";

/** The passphrase was never given on this device. */
export class Locked extends Error {}
/** There is no version on the server to try a passphrase on. */
export class Nothing extends Error {}
/** Another salt or number of rounds than this device knows: nobody but a member may do that. */
export class HeadChanged extends Error {}

/**
 * The list has no passphrase any more, and this device has not agreed to that. Otherwise a member
 * without it, or the server, would take it off, and read what the others' pages then write.
 */
export class Dropped extends Error {}

/** `onSpoiled` is told of a frame that is no version of this list; the one before stays. */
export function makeCodec({ isLocked, lock, onSpoiled }) {
  let latest = null;

  async function openText(text) {
    if (!isLocked && lock) throw new Dropped();
    if (!isLocked) return JSON.parse(text);
    if (!lock) {
      // Nobody is asked for a passphrase that a weak head would give away.
      readHead(text);
      throw new Locked();
    }
    if (!hasHeadOf(lock, text)) throw new HeadChanged();
    return openFrame(lock, text);
  }

  return {
    /** The newest version seen: `{ version, applied, state }`. */
    get latest() {
      return latest;
    },
    async seal({ version, state, applied }) {
      if (!isLocked && lock) throw new Dropped();
      if (!isLocked) return JSON.stringify({ version, state, applied });
      if (!lock) throw new Locked();
      return sealFrame(lock, { version, state, applied });
    },
    async open(text) {
      try {
        const whole = await openText(text);
        if (!isVersionOf(whole.version, latest?.version)) throw new TypeError("this is no version");
        const checked = { version: whole.version, applied: whole.applied, state: checkedList(whole.state) };
        if (!latest || checked.version >= latest.version) latest = checked;
        return checked;
      } catch (error) {
        const isGarbage = error instanceof DoesNotOpen || error instanceof SyntaxError || error instanceof TypeError;
        if (!isGarbage || !latest) throw error;
        onSpoiled();
        return latest;
      }
    },
    note(whole) {
      if (!latest || whole.version > latest.version) latest = whole;
    },
  };
}

/** What waits in this browser is sealed with the list's key, if there is one. */
export const makeOutboxSeal = (list, lockOf) => ({
  async seal(value) {
    const lock = lockOf();
    return lock ? sealJson(lock.key, value, ["todo outbox", String(list)]) : JSON.stringify(value);
  },
  async open(text) {
    if (text.startsWith("{")) return JSON.parse(text);
    const lock = lockOf();
    if (!lock) throw new Locked();
    return openJson(lock.key, text, ["todo outbox", String(list)]);
  },
});
