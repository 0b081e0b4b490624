// The lines of one conversation, in this page alone: texts, and what did not open.

const MAX_ITEMS = 500;
/** JSON spells each of these with six letters, and the text would not fit into a frame. */
const UNSEEN = /[^\P{Cc}\n\t]/gu;

/** A text as it can travel. */
export const sendable = (text) => text.toWellFormed().replace(UNSEEN, "").trim();

export class Items {
  list = [];
  #version = 0;

  add(item) {
    const added = { ...item, key: ++this.#version, time: Date.now(), version: 0 };
    this.list.push(added);
    if (this.list.length > MAX_ITEMS) this.#forgetOldest();
    return added;
  }

  change(item, values) {
    Object.assign(item, values);
    item.version++;
  }

  /** What did not open: the same again is one line that counts. */
  note(reason, { count = 1, number, sid } = {}) {
    const last = this.list.at(-1);
    if (last?.kind === "note" && last.reason === reason && last.sid === sid) {
      return this.change(last, { count: last.count + count, number: undefined });
    }
    this.add({ kind: "note", reason, count, number, sid });
  }

  /** A missing message of this session came late. */
  found(sid) {
    const gap = this.list.findLast((item) => item.kind === "note" && item.reason === "missing" && item.sid === sid);
    if (!gap) return;
    if (gap.count > 1) this.change(gap, { count: gap.count - 1 });
    else this.list.splice(this.list.indexOf(gap), 1);
  }

  inState(state) {
    return this.list.filter((item) => item.state === state);
  }

  count(state) {
    return this.inState(state).length;
  }

  mark(states, next) {
    for (const item of this.list) if (states.includes(item.state)) this.change(item, { state: next });
  }

  /** A text of one's own stays until the other browser has opened it. */
  #forgetOldest() {
    const at = this.list.findIndex(({ state }) => state === undefined || state === "opened");
    if (at >= 0) this.list.splice(at, 1);
  }
}
