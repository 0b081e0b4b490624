// Changes that no server has yet. They wait in this browser, sealed if the list is, and outlive a reload.
//
// All that waits leaves as one batch with an id of its own. The snapshot remembers the ids, so a batch
// whose answer was lost is not applied twice. A batch is never changed once it has left.

import { newId } from "./changes.js";

export function openOutbox({ store, list, seal, open, onChange = () => {}, onAdopt = () => {} }) {
  const tab = newId();
  let batch = null;
  let waiting = [];
  const release = holdTab(tab);
  const closing = new AbortController();
  const awaited = new Set();
  let isStale = false;
  let writing = null;

  /** Many changes at once are one write, so that a tab that closes has kept them. */
  function keep() {
    onChange();
    isStale = true;
    writing ??= write().catch(() => {}).finally(() => (writing = null));
    return writing;
  }

  async function write() {
    while (isStale) {
      isStale = false;
      if (!batch && waiting.length === 0) await store.delete(`outbox:${list}:${tab}`);
      else await store.put(`outbox:${list}:${tab}`, await seal({ batch, waiting }));
    }
  }

  return {
    get changes() {
      return [...(batch?.changes ?? []), ...waiting];
    },
    add(change) {
      waiting.push(change);
      keep();
    },
    /** The batch to send, which stays the same until `done`. */
    next() {
      if (!batch && waiting.length > 0) {
        batch = { id: newId(), changes: waiting };
        waiting = [];
        keep();
      }
      return batch;
    },
    done() {
      batch = null;
      return keep();
    },
    /** Takes over what closed tabs have left, and later what open ones leave. */
    async adopt() {
      for (const [id] of await store.entries(`outbox:${list}:`)) {
        const owner = id.split(":")[2];
        if (owner !== tab && !(await whenGone(owner, () => take(id), { ifAvailable: true }))) takeLater(id, owner);
      }
    },
    /** Sealed again after a switch of layers. */
    keep,
    close() {
      closing.abort();
      release();
    },
  };

  async function take(id) {
    try {
      const sealed = await store.get(id);
      if (sealed === undefined) return;
      const left = await open(sealed);
      waiting = [...(left.batch?.changes ?? []), ...left.waiting, ...waiting];
      if (left.batch && !batch) {
        batch = left.batch;
        waiting = waiting.slice(left.batch.changes.length);
      }
      await store.delete(id);
      await keep();
    } catch {
      // Sealed with a key that this page does not have yet: it stays.
    }
  }

  /** Also at a reload: the page before may end after this one has looked. */
  function takeLater(id, owner) {
    if (awaited.has(owner)) return;
    awaited.add(owner);
    whenGone(owner, () => take(id), { signal: closing.signal }).then(onAdopt, () => {}).finally(() => awaited.delete(owner));
  }
}

/** A lock that the browser gives back when the tab ends, however it ends. */
function holdTab(tab) {
  let release = () => {};
  const held = new Promise((resolve) => (release = resolve));
  navigator.locks?.request(`todo-tab:${tab}`, () => held).catch(() => {});
  return release;
}

/** False if the tab is there, and `ifAvailable` is set. */
async function whenGone(tab, work, options) {
  const run = async (lock) => {
    if (lock !== null) await work();
    return lock !== null;
  };
  return navigator.locks ? navigator.locks.request(`todo-tab:${tab}`, options, run) : run();
}
