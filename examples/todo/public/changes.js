// The list and its changes. Each change is a plain value, so that it can wait, travel and run again.

import { randomBytes, toBase64url } from "../../lib/bytes.js";

export const MAX_ITEMS = 500;
export const MAX_TEXT = 200;
/** Sealed by this page, and by the server once more, it is still less than the server takes. */
export const MAX_BYTES = 128 * 1024;
/** More changes than this between two visits are no changes of people. */
const MAX_JUMP = 1_000_000;
const MAX_VERSION = 2 ** 31;

export const newId = () => toBase64url(randomBytes(9));
export const emptyList = () => ({ title: "", items: [] });

export const changes = {
  add: (text, by) => ({ id: newId(), kind: "add", item: { id: newId(), text: text.trim().slice(0, MAX_TEXT), done: false, by } }),
  check: (item, done) => ({ id: newId(), kind: "check", item, done }),
  remove: (item) => ({ id: newId(), kind: "remove", item }),
  rename: (title) => ({ id: newId(), kind: "rename", title: title.trim().slice(0, 80) }),
};

const bytesOf = (value) => new TextEncoder().encode(JSON.stringify(value)).length;

/** One more item could be too much for the server, and hold up every change behind it. */
export const isFull = (list) => list.items.length >= MAX_ITEMS || bytesOf(list) > MAX_BYTES;

/** A number near the end of all numbers would leave none for the next version. */
export const isVersionOf = (version, known) => Number.isSafeInteger(version) && version > 0 && version <= Math.min(MAX_VERSION, (known || MAX_VERSION) + MAX_JUMP);

/** The newest item comes first. What somebody else removed meanwhile stays removed. */
export function applyChange(list, change) {
  const { kind, item } = change;
  switch (kind) {
    case "add":
      if (isFull(list) || list.items.some(({ id }) => id === item.id)) return list;
      return { ...list, items: [item, ...list.items] };
    case "check":
      return { ...list, items: list.items.map((each) => (each.id === item ? { ...each, done: change.done } : each)) };
    case "remove":
      return { ...list, items: list.items.filter(({ id }) => id !== item) };
    case "rename":
      return { ...list, title: change.title };
    default:
      return list;
  }
}

export const applyAll = (list, all) => all.reduce(applyChange, list);

/** Open items first; both parts keep their order. */
export const inOrder = (items) => [...items.filter(({ done }) => !done), ...items.filter(({ done }) => done)];

/** Items that the second state has and the first one has not, or has otherwise. */
export function differences(before, after) {
  const known = new Map(before.items.map((item) => [item.id, item]));
  return after.items.filter((item) => known.get(item.id)?.done !== item.done || known.get(item.id)?.text !== item.text);
}

/** A snapshot may come from anybody with a pass. */
export function checkedList(state) {
  if (typeof state?.title !== "string" || !Array.isArray(state.items)) throw new TypeError("this is no list");
  const items = state.items.filter(isItem).slice(0, MAX_ITEMS)
    .map(({ id, text, done, by }) => ({ id, text: text.slice(0, MAX_TEXT), done, by: { id: String(by?.id), name: String(by?.name).slice(0, 30) } }));
  return { title: state.title.slice(0, 80), items };
}

const isItem = (item) => typeof item?.id === "string" && typeof item.text === "string" && typeof item.done === "boolean";
