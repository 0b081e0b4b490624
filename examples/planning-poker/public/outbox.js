// Changes that wait for the server: in order, sealed, kept over a reload. One snapshot takes many of them.

import { applyChange } from "./table.js";

/** As many ids as a snapshot keeps: all of a batch must be known as applied. */
const MOST = 100;

export function openOutbox({ session, keys, newId, onChange }) {
  /** [{ id, change, sealed }]; those of `batch` come first. */
  let waiting = [];
  let batch = null;

  /** A change of this moment may not be sealed yet. */
  const sealedTexts = () => waiting.map(({ sealed }) => sealed).filter(Boolean);

  function keep() {
    session.put("outbox", JSON.stringify(sealedTexts()));
    onChange();
  }

  async function seal(item) {
    item.sealed = await keys.sealWaiting({ id: item.id, change: item.change });
    keep();
  }

  return {
    get count() {
      return waiting.length;
    },
    get sealed() {
      return sealedTexts();
    },
    applyTo: (table) => waiting.reduce((next, { change }) => applyChange(next, change), table),
    get changes() {
      return waiting.map(({ change }) => change);
    },
    /** What an earlier life of this tab could not send. */
    async restore() {
      try {
        const texts = JSON.parse(session.get("outbox") ?? "[]");
        waiting = await Promise.all(texts.map(async (sealed) => ({ ...(await keys.openWaiting(sealed)), sealed })));
      } catch {
        waiting = [];
      }
    },
    async add(change) {
      const item = { id: newId(), change };
      waiting.push(item);
      onChange();
      await seal(item);
    },
    /** Lost ones of before, ahead of all that has not left yet. */
    async addAgain(items) {
      waiting.splice(batch?.ids.length ?? 0, 0, ...items);
      onChange();
      await Promise.all(items.map(seal));
    },
    /** Each change with its id: after a lost answer and a reload, a batch may hold some that have arrived. */
    next() {
      const first = waiting.slice(0, MOST);
      batch ??= first.length > 0 ? { ids: first.map(({ id }) => id), changes: first.map(({ change }) => change) } : null;
      return batch;
    },
    done() {
      waiting = waiting.slice(batch.ids.length);
      batch = null;
      keep();
    },
  };
}
