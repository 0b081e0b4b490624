// Changes that no server has yet. They wait in this browser, sealed if the list is, and outlive a reload.
//
// All that waits leaves as one batch with an id of its own. The snapshot remembers the ids, so a batch
// whose answer was lost is not applied twice. A batch is never changed once it has left.

import { newId } from "./changes.js";

export function openOutbox({ store, list, seal, open, onChange = () => {} }) {
  const tab = newId();
  let batch = null;
  let waiting = [];
  const release = holdTab(tab);
  let writes = Promise.resolve();

  function keep() {
    onChange();
    const kept = { batch, waiting };
    writes = writes.then(async () => {
      if (!kept.batch && kept.waiting.length === 0) return store.delete(`outbox:${list}:${tab}`);
      return store.put(`outbox:${list}:${tab}`, await seal(kept));
    }).catch(() => {});
    return writes;
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
    /** Takes over what closed tabs have left. */
    async adopt() {
      for (const [id, sealed] of await store.entries(`outbox:${list}:`)) {
        const owner = id.split(":")[2];
        if (owner === tab || !(await isGone(owner))) continue;
        try {
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
    },
    /** Sealed again after a switch of layers. */
    keep,
    close: release,
  };
}

/** A lock that the browser gives back when the tab ends, however it ends. */
function holdTab(tab) {
  let release = () => {};
  const held = new Promise((resolve) => (release = resolve));
  navigator.locks?.request(`todo-tab:${tab}`, () => held).catch(() => {});
  return release;
}

async function isGone(tab) {
  if (!navigator.locks) return true;
  return navigator.locks.request(`todo-tab:${tab}`, { ifAvailable: true }, (lock) => lock !== null);
}
