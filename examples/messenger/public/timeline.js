// What a room shows, made from opened rows. No encryption and no page here.

const MEMBER_LINES = {
  create: (by, names) => `${by} made this room with ${names}`,
  add: (by, names) => `${by} added ${names}`,
  remove: (by, names) => `${by} removed ${names}`,
  leave: (by) => `${by} left`,
  rekey: (by, names) => `${by} accepted new keys of ${names}`,
};

/** Items are `{ key, row, at, type, ... }`; types: text, member, broken, missing, locked. */
export class Timeline {
  items = [];
  title = "";
  #byId = new Map();
  #waitingReactions = new Map();
  #deleted = new Map();

  #push(item) {
    this.items.push(item);
    return item;
  }

  find(id) {
    return this.#byId.get(id);
  }

  /** `opened`: `{ row, at, id, user, kind, body, sent }`. */
  /** `root`: the first device to which its sender's chains. */
  add({ row, at, id, user, root, kind, body, sent }) {
    if (kind === "title") {
      this.title = body.title;
      return null;
    }
    if (kind === "react") return this.#react(user, body);
    const item = this.#push({ key: id, type: "text", row, at, sent, id, user, root, text: body.text, reply: body.reply ?? null, reactions: new Map(), isDeleted: false });
    this.#byId.set(id, item);
    if (this.#deleted.get(id) === user) this.delete(id, user);
    for (const { by, reaction } of this.#waitingReactions.get(id) ?? []) this.#apply(item, by, reaction);
    this.#waitingReactions.delete(id);
    return item;
  }

  #react(by, reaction) {
    const item = this.#byId.get(reaction.to);
    if (item) return this.#apply(item, by, reaction);
    const waiting = this.#waitingReactions.get(reaction.to) ?? [];
    this.#waitingReactions.set(reaction.to, [...waiting, { by, reaction }]);
    return null;
  }

  #apply(item, by, { sign, isOn }) {
    const people = item.reactions.get(sign) ?? new Set();
    if (isOn) people.add(by);
    else people.delete(by);
    if (people.size > 0) item.reactions.set(sign, people);
    else item.reactions.delete(sign);
    return null;
  }

  /** Only its author deletes a message. */
  delete(id, user) {
    const item = this.#byId.get(id);
    this.#deleted.set(id, user);
    if (item?.type !== "text" || item.user !== user) return;
    Object.assign(item, { isDeleted: true, isSigned: true, text: "", reply: null });
    item.reactions.clear();
  }

  /** A row whose text is gone. Without the author's signature, which comes later, the server took it. */
  addDeleted({ row, at, id, user }) {
    const item = this.#push({ key: id, type: "text", row, at, id, user, text: "", reply: null, reactions: new Map(), isDeleted: true, isSigned: false });
    this.#byId.set(id, item);
  }

  addMember({ row, at, by, body }) {
    const users = body.op === "create" ? body.members.map(({ user }) => user).filter((user) => user !== by) : [body.user];
    const op = body.op === "remove" && body.user === by ? "leave" : body.op;
    this.#push({ key: `member ${row}`, type: "member", row, at, by, op, users });
  }

  addBroken({ row, at, user, sentence }) {
    this.#push({ key: `broken ${row} ${this.items.length}`, type: "broken", row, at, user, sentence });
  }

  addMissing({ row, at, user, count }) {
    this.#push({ key: `missing ${row}`, type: "missing", row, at, user, count });
  }

  /** Rows of an epoch without a key for this device stand as one line. */
  addLocked({ row, at }) {
    const last = this.items.at(-1);
    if (last?.type === "locked") last.count += 1;
    else this.#push({ key: `locked ${row}`, type: "locked", row, at, count: 1 });
  }

  /** Messages of others behind a row. */
  unread(after, me) {
    return this.items.filter((item) => item.type === "text" && !item.isDeleted && item.row > after && item.user !== me).length;
  }

  search(words) {
    const wanted = words.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    if (wanted.length === 0) return [];
    return this.items.filter((item) => item.type === "text" && !item.isDeleted
      && wanted.every((word) => item.text.toLocaleLowerCase().includes(word)));
  }

  get newest() {
    return this.items.findLast((item) => ["text", "member"].includes(item.type)) ?? null;
  }

  get since() {
    return this.items.find((item) => item.type === "text")?.at ?? null;
  }
}

/** `nameOf(user, isSubject)` gives "You" for this person. */
export function memberLine({ op, by, users }, nameOf) {
  const names = users.map((user) => nameOf(user, false));
  const list = names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : (names[0] ?? "nobody else");
  return MEMBER_LINES[op](nameOf(by, true), list);
}

/** The number of others who have read up to a row. `marks`: user to row. */
export const readers = (marks, row, author) => [...marks].filter(([user, read]) => user !== author && read >= row).map(([user]) => user);
