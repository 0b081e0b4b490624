// What this tab has written, in case the server loses it: after a restart, the table goes on from another tab's.

const MOST = 100;
/** Of these the last one counts. */
const SETTERS = ["sit", "vote", "story"];

export function rememberWrites() {
  /** [{ id, change, applied }]: `applied` are the ids in the snapshot that took it. */
  let written = [];

  /** The list drops its oldest ids: a missing one was lost if an older one is still there. */
  function isLost({ id, applied }, known) {
    if (known.ids.has(id)) return false;
    return !known.isFull || applied.slice(0, applied.indexOf(id)).some((older) => known.ids.has(older));
  }

  return {
    add(ids, changes, applied) {
      const fresh = ids.map((id, i) => ({ id, change: changes[i], applied })).filter(({ id }) => applied.includes(id));
      written = [...written, ...fresh].slice(-MOST);
    },
    /** The changes that a snapshot with these ids lacks; `waiting` are newer ones. Each is told once. */
    takeLost(ids, waiting) {
      const known = { ids: new Set(ids), isFull: ids.length >= MOST };
      const lost = written.filter((one) => isLost(one, known));
      if (lost.length === 0) return [];
      const isReplaced = ({ change }, i) => SETTERS.includes(change.kind)
        && [...lost.slice(i + 1), ...waiting.map((newer) => ({ change: newer }))].some((newer) => newer.change.kind === change.kind);
      written = written.filter((one) => !lost.includes(one));
      return lost.filter((one, i) => !isReplaced(one, i)).map(({ id, change }) => ({ id, change }));
    },
  };
}
