// One event holds the whole state: several people change it without losing each other's changes.
//
// A writer names the position that it has read. If another was faster, it reads again and repeats its
// change. An answer may be lost after the write, so the snapshot tells which changes it holds.

const APPLIED_IDS = 100;
const MAX_ROUNDS = 50;

export function openSnapshot({ client, channel, name, seal, open, empty }) {
  let known = { version: 0, applied: [], state: empty() };
  let position = null;
  let queue = Promise.resolve();

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
    known = found;
    return true;
  }

  async function load() {
    // An older one was written back after an expiry: the next change brings the newer state again.
    adopt(await read());
    return known.state;
  }

  async function receive(text, at) {
    const next = checked(await open(text));
    if (next.version < known.version) return null;
    position = at ?? position;
    if (JSON.stringify(next) === JSON.stringify(known)) return null;
    // Also another one of the same version, as after a loss: the server's counts, or the next write would undo it.
    known = next;
    return known.state;
  }

  async function write(next) {
    const condition = position ? { ifMatch: position } : { ifNoneMatch: true };
    const answer = await client.publish(channel, name, await seal(next), condition);
    if (!answer.ok) return false;
    // A newer one may have arrived meanwhile.
    if (next.version >= known.version) {
      known = next;
      position = answer.position;
    }
    return true;
  }

  async function change(ids, apply) {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const fresh = [ids].flat().filter((id) => !known.applied.includes(id));
      if (fresh.length === 0) return known.state;
      const next = {
        version: known.version + 1,
        applied: [...known.applied, ...fresh].slice(-APPLIED_IDS),
        state: apply(structuredClone(known.state), fresh),
      };
      if (await write(next)) return next.state;
      await load();
    }
    throw new Error("Others change this all the time. Try again in a moment.");
  }

  return {
    load,
    receive,
    change(ids, apply) {
      const turn = queue.then(() => change(ids, apply));
      queue = turn.catch(() => {});
      return turn;
    },
    /** If the server has none, an older or a broken one: publishes the state again, as it is. */
    async writeBack() {
      if (known.version === 0) return false;
      return !adopt(await read()) && write(known);
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
