// The list of rooms, and the search over everything that this browser has opened.

import { avatar, dayOf, el, emptyState, icon, iconButton, notice, NOTICES, sealMark, timeOf } from "../../../lib/ui.js";
import { memberLine } from "../timeline.js";
import { keep } from "./keep.js";
import { accountDialog, approveDialog, newRoomDialog } from "./account.js";

const MAX_HITS = 30;

export function directory({ model, app, open }) {
  const nameOf = (user) => model.people.nameOf(user);
  const input = el("input", { class: "field", type: "search", id: "find", on: { input: () => update(current) } });
  const find = el("label", { class: "find", for: "find" }, icon("search"), el("span", { class: "vh", text: "Search messages" }), input);
  const rows = el("ul");
  const notes = el("div", { class: "notes" });
  const empty = el("div");
  const about = el("p");
  const foot = el("div", { class: "me" }, about, iconButton("user", "Account and devices", () => accountDialog(model)));
  const head = el("div", { class: "dir-head" }, find, iconButton("plus", "New room or conversation", () => newRoomDialog(model, open)));
  const node = el("div", { class: "dir", role: "navigation", "aria-label": "Rooms" }, el("h1", { class: "vh", text: "Rooms" }), head, notes, rows, empty, foot);
  let current = null;

  /** Newest first. */
  const order = () => [...model.rooms.all.values()].sort((a, b) => (b.timeline.items.at(-1)?.at ?? 0) - (a.timeline.items.at(-1)?.at ?? 0));

  function update(id, isAlone = false) {
    current = id;
    // On a phone the list is the page.
    node.setAttribute("role", isAlone ? "main" : "navigation");
    const words = input.value.trim();
    const since = Math.min(...order().map((room) => room.timeline.since ?? Infinity));
    const day = Number.isFinite(since) ? dayOf(since, model.now) : "Today";
    input.placeholder = day === "Today" ? "Search" : `Search since ${day.replace(/^Y/, "y")}`;
    const entries = words ? hits(words) : order().map(roomEntry);
    keep(rows, entries);
    rows.setAttribute("aria-label", words ? "Messages found" : "Rooms");
    keep(empty, emptyFor(words, entries.length, day.replace(/^[TY]/, (letter) => letter.toLowerCase())));
    keep(notes, notices());
    about.replaceChildren(...footer());
  }

  function emptyFor(words, count, since) {
    const say = (text) => [{ key: "said", stamp: text, make: () => el("p", { class: "dim small nohit", role: "status", text }) }];
    if (words) return say(count > 0 ? `In what this browser has opened since ${since}.` : `Nothing with “${words}” in what this browser has opened.`);
    if (count > 0) return [];
    return [{ key: "empty", stamp: "", make: () => emptyState({
      mark: sealMark(), title: "No rooms yet", text: "Write to somebody by their user name.", button: "New room", press: () => newRoomDialog(model, open),
    }) }];
  }

  function notices() {
    const found = [];
    const push = (key, make) => found.push({ key, stamp: key, make });
    for (const device of model.pending) {
      push(device.id, () => NOTICES.otherDevice(`“${device.name}” has logged in as you, and asks to read.`, { text: "Look at it", press: () => approveDialog(model, device) }));
    }
    if (app.storageState !== "kept") push(app.storageState, () => NOTICES.storage(app.storageState));
    if (app.clockOff) {
      const minutes = Math.round(Math.abs(app.clockOff) / 60_000);
      const away = minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`;
      push(`clock ${away}`, () => notice("warn", { title: `This device’s clock is ${away} ${app.clockOff > 0 ? "ahead" : "behind"}`, text: "Times here are those of the server.", icon: "clock" }));
    }
    return found;
  }

  function footer() {
    const devices = [...(model.people.get(model.user)?.chain?.devices.values() ?? [])].filter(({ isActive }) => isActive).length;
    const isAway = ["reconnecting", "offline", "refused"].includes(model.line.name);
    const text = isAway
      ? [el("b", { text: `As of ${timeOf(model.line.since)}.` }), " Rooms are brought up to date once the line is back."]
      : [el("b", { text: nameOf(model.user) }), `${devices === 1 ? " on one device" : ` on ${devices} devices`}. Keys change daily.`];
    return text;
  }

  function roomEntry(room) {
    const title = room.displayTitle(nameOf);
    const isHere = room.other && model.here.get(room.id)?.has(room.other);
    const unread = room.timeline.unread(room.read, model.user);
    const waiting = model.outbox.items.findLast((item) => item.room === room.id && item.kind === "text");
    const newest = room.timeline.newest;
    const line = waiting ? `You: ${waiting.body.text}` : lineOf(newest, room);
    const at = waiting?.sent ?? newest?.at;
    return entry({
      key: room.id, id: room.id, mark: avatar(room.id, title, { isHere }), title, at, line, unread, isCurrent: room.id === current,
      press: () => open(room.id),
    });
  }

  function lineOf(item, room) {
    if (!item) return "";
    if (item.type === "member") return memberLine(item, (user, isSubject) => (user === model.user ? (isSubject ? "You" : "you") : nameOf(user)));
    if (item.isDeleted) return "Message deleted";
    const who = item.user === model.user ? "You: " : room.other ? "" : `${nameOf(item.user)}: `;
    return who + item.text;
  }

  function hits(words) {
    const found = order().flatMap((room) => room.timeline.search(words).map((item) => ({ room, item })));
    return found.sort((a, b) => b.item.at - a.item.at).slice(0, MAX_HITS).map(({ room, item }) => entry({
      key: `hit ${item.id}`, mark: avatar(item.user, nameOf(item.user)), title: room.displayTitle(nameOf), at: item.at,
      line: `${item.user === model.user ? "You" : nameOf(item.user)}: ${item.text}`, press: () => open(room.id, { row: item.row }),
    }));
  }

  function entry({ key, id, mark, title, at, line, unread = 0, isCurrent = false, press }) {
    const time = at ? when(at, model.now) : "";
    const stamp = JSON.stringify([title, time, line, unread, isCurrent, mark.querySelector(".on") !== null]);
    return { key, stamp, make: () => el("li", {}, el("a", {
      href: "#main", data: { room: id }, "aria-current": isCurrent ? "page" : undefined,
      on: { click: (event) => {
        event.preventDefault();
        press();
      } },
    }, mark, el("b", { text: title }), el("time", { text: time }), el("small", {}, el("span", { text: line })),
    unread > 0 ? el("span", { class: "n" }, String(unread), el("span", { class: "vh", text: " unread" })) : el("span"))) };
  }

  return {
    node, order, update,
    focus: (id) => node.querySelector(`[data-room="${id}"]`)?.focus(),
  };
}

function when(at, now) {
  const day = dayOf(at, now);
  if (day === "Today") return timeOf(at);
  return /day$/.test(day) && day !== "Yesterday" ? day.slice(0, 3) : day;
}
