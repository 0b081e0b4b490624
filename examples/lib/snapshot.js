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

  async function load() {
    const answer = await client.last(channel);
    if (answer.status !== "event") {
      position = null;
      return known.state;
    }
    const found = checked(await open(answer.event.data));
    // An older one was written back after an expiry: the next change brings the newer state again.
    if (found.version >= known.version) known = found;
    position = answer.position;
    return known.state;
  }

  async function receive(text, at) {
    const next = checked(await open(text));
    if (next.version <= known.version) return null;
    known = next;
    position = at ?? position;
    return known.state;
  }

  async function write(next) {
    const condition = position ? { ifMatch: position } : { ifNoneMatch: true };
    const answer = await client.publish(channel, name, await seal(next), condition);
    if (!answer.ok) return false;
    // A newer one may have arrived meanwhile.
    if (next.version > known.version) {
      known = next;
      position = answer.position;
    }
    return true;
  }

  async function change(id, apply) {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (known.applied.includes(id)) return known.state;
      const next = {
        version: known.version + 1,
        applied: [...known.applied, id].slice(-APPLIED_IDS),
        state: apply(structuredClone(known.state)),
      };
      if (await write(next)) return next.state;
      await load();
    }
    throw new Error("Others change this all the time. Try again in a moment.");
  }

  return {
    load,
    receive,
    change(id, apply) {
      const turn = queue.then(() => change(id, apply));
      queue = turn.catch(() => {});
      return turn;
    },
    /** False if another page was faster, or the channel still has an event. */
    async writeBack() {
      const answer = await client.last(channel);
      if (answer.status !== "empty" || known.version === 0) return false;
      position = null;
      return write({ ...known, version: known.version + 1 });
    },
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
