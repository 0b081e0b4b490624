// Changes that wait for the server: in order, sealed, kept over a reload. One snapshot takes many of them.

import { applyChange } from "./table.js";

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

  return {
    get count() {
      return waiting.length;
    },
    get sealed() {
      return sealedTexts();
    },
    applyTo: (table) => waiting.reduce((next, { change }) => applyChange(next, change), table),
    has: (kind) => waiting.some(({ change }) => change.kind === kind),
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
      item.sealed = await keys.sealWaiting({ id: item.id, change });
      keep();
    },
    /** The same batch after a lost answer, so that its id tells whether it arrived. */
    next() {
      batch ??= waiting.length > 0 ? { id: waiting.at(-1).id, size: waiting.length, changes: waiting.map(({ change }) => change) } : null;
      return batch;
    },
    done() {
      waiting = waiting.slice(batch.size);
      batch = null;
      keep();
    },
  };
}
