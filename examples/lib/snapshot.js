// One event holds the whole state: several people change it without losing each other's changes.
//
// A writer names the position that it has read. If another was faster, it reads again and repeats its
// change. An answer may be lost after the write, so the snapshot tells which changes it holds.
//
// After a loss, somebody may write an older version back, and go on from it. So a page keeps its own
// newest changes, and makes them again where the snapshot has lost them.

import { pause, waitAfter } from "./waits.js";

const APPLIED_IDS = 100;
const MAX_ROUNDS = 50;
/** Several people change it at once; the first rounds need no pause. */
const QUICK_ROUNDS = 3;
const ROUND_MS = [20, 1000];
/** Each of an unread event, of which the server says that it is there and that there is none. */
const MAX_UNSEEN = 4;
/** A change that somebody takes away each time is theirs to decide in the end. */
const MAX_REPEATS = 3;

export function openSnapshot({ client, channel, name, seal, open, empty }) {
  let known = { version: 0, applied: [], state: empty() };
  let position = null;
  let queue = Promise.resolve();
  // This page's changes of late, the oldest first: { ids, apply, repeats, isLost }.
  let own = [];

  /** Also notes which of the own changes it has lost. */
  function know(next) {
    for (const mine of own) {
      mine.isLost = mine.ids.some((id) => !next.applied.includes(id) && (mine.isLost || isLost(id, known.applied, next.applied)));
    }
    known = next;
  }

  /** The newest snapshot of the server; `found` is null if there is none, or none that opens. */
  async function read() {
    const answer = await client.last(channel);
    if (answer.status !== "event") return { found: null, at: null };
    try {
      return { found: checked(await open(answer.event.data)), at: answer.position };
    } catch (error) {
      // A page with a state can write over it. A page without one must not.
      if (known.version === 0) throw error;
      return { found: null, at: answer.position };
    }
  }

  /**
   * State and position change in one step: a write between them would name what it has not read.
   * False if the server has none, an older one, or one that does not open.
   */
  function adopt({ found, at }) {
    position = at;
    if (!found || found.version < known.version) return false;
    know(found);
    return true;
  }

  async function load() {
    // An older one was written back after an expiry: the next change brings the newer state again.
    adopt(await read());
    return known.state;
  }

  /** In turn with the changes. One that cannot be made now is tried with the next snapshot. */
  function inTurn(work) {
    const turn = queue.then(work);
    queue = turn.catch(() => {});
    return turn;
  }

  async function repeatLost() {
    const lost = own.filter(({ isLost }) => isLost);
    if (lost.length > 0) await inTurn(() => repeat(lost)).catch(() => {});
    return known.state;
  }

  async function repeat(lost) {
    for (const mine of lost) {
      await change(mine.ids, mine.apply);
      if (++mine.repeats >= MAX_REPEATS) own = own.filter((each) => each !== mine);
    }
  }

  function remember(ids, apply) {
    own = own.filter((each) => !each.ids.some((id) => ids.includes(id)));
    own.push({ ids, apply, repeats: 0, isLost: false });
    let count = 0;
    own = own.filter((_, i, { length }) => (count += own[length - 1 - i].ids.length) <= APPLIED_IDS || i === 0);
  }

  async function receive(text, at) {
    const next = checked(await open(text));
    if (next.version < known.version) return null;
    position = at ?? position;
    if (JSON.stringify(next) === JSON.stringify(known)) return null;
    // Also another one of the same version, as after a loss: the server's counts, or the next write would undo it.
    know(next);
    return repeatLost();
  }

  async function write(next) {
    const condition = position ? { ifMatch: position } : { ifNoneMatch: true };
    const answer = await client.publish(channel, name, await seal(next), condition);
    if (!answer.ok) return false;
    // A newer one may have arrived meanwhile.
    if (next.version >= known.version) {
      know(next);
      position = answer.position;
    }
    return true;
  }

  async function change(ids, apply) {
    let unseen = 0;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const fresh = ids.filter((id) => !known.applied.includes(id));
      if (fresh.length === 0) return known.state;
      const next = {
        version: known.version + 1,
        applied: [...known.applied, ...fresh].slice(-APPLIED_IDS),
        state: apply(structuredClone(known.state), fresh),
      };
      if (await write(next)) return next.state;
      if (round >= QUICK_ROUNDS) await pause(waitAfter(round - QUICK_ROUNDS, ROUND_MS));
      await load();
      if (position === null && ++unseen === MAX_UNSEEN) {
        throw new Error("Sealcast keeps a state here that it does not show to this page. Ask for a new link, or try again later.");
      }
    }
    throw new Error("Others change this all the time. Try again in a moment.");
  }

  return {
    async load() {
      await load();
      return repeatLost();
    },
    receive,
    async change(ids, apply) {
      const list = [ids].flat();
      const state = await inTurn(async () => {
        const published = await change(list, apply);
        remember(list, apply);
        return published;
      });
      await repeatLost();
      return state;
    },
    /** If the server has none, an older or a broken one: publishes the state again, as it is. */
    async writeBack() {
      if (known.version === 0) return false;
      if (!adopt(await read())) return write(known);
      await repeatLost();
      return false;
    },
    /** Publishes the state again, so that it does not expire. False if another page was faster. */
    renew: async () => known.version > 0 && write(known),
    get state() {
      return known.state;
    },
    get version() {
      return known.version;
    },
    get position() {
      return position;
    },
  };
}

function checked({ version, applied, state }) {
  if (!Number.isSafeInteger(version) || version < 1 || !Array.isArray(applied)) throw new TypeError("this is no snapshot");
  return { version, applied: applied.slice(-APPLIED_IDS), state };
}

/**
 * Whether `after` lacks an id of `before` for another reason than its age: it is not full, or it has
 * an id that is older still. An empty list says nothing: its state may hold the change.
 */
function isLost(id, before, after) {
  const at = before.indexOf(id);
  if (at < 0 || after.includes(id)) return false;
  const isWhole = after.length > 0 && after.length < APPLIED_IDS;
  return isWhole || before.slice(0, at).some((older) => after.includes(older));
}
