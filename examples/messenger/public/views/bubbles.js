// Messages as nodes: bubbles, quotes, reactions, days, changes of members, what did not open.

import { avatar, dayOf, el, icon, iconButton, timeOf } from "../../../lib/ui.js";
import { memberLine, readers } from "../timeline.js";

export const REACTIONS = { thumb: "Thumb up", heart: "Heart", smile: "Smile" };
const TURN_MS = 5 * 60_000;

/** `{ key, stamp, make }` for each line of the talk, oldest first. */
export function messageEntries({ model, room, shown, pending, marked, reply, lineFor, awaySince }) {
  const nameOf = (user, isSubject = false) => (user === model.user ? (isSubject ? "You" : "you") : model.people.nameOf(user));
  const all = room.timeline.items;
  const items = all.slice(-shown);
  const entries = [];
  const push = (key, stamp, make) => entries.push({ key, stamp: JSON.stringify(stamp), make });
  const lastOwn = items.findLast(({ type, user, isDeleted }) => type === "text" && user === model.user && !isDeleted);
  const lastText = items.findLast(({ type }) => type === "text");
  let day = null;
  let before = null;
  let isLineDrawn = !lineFor;

  if (all.length > items.length) push("earlier", [], () => el("li", { class: "day", text: "Scroll up for earlier messages" }));
  for (const item of items) {
    const midnight = new Date(item.at).setHours(0, 0, 0, 0);
    if (midnight !== day) {
      day = midnight;
      before = null;
      // Asked once a day: the words of a date are slow to make.
      const today = dayOf(item.at, model.now);
      push(`day ${midnight}`, [today], () => el("li", { class: "day", text: today }));
    }
    if (!isLineDrawn && item.row > lineFor.after && item.type === "text" && item.user !== model.user) {
      isLineDrawn = true;
      before = null;
      push("line", [lineFor.after], lineFor.make);
    }
    if (item.type !== "text") {
      before = null;
      pushOther(item);
      continue;
    }
    const isTurn = !before || before.user !== item.user || item.at - before.at > TURN_MS;
    before = item;
    const read = item === lastOwn && model.preferences.receipts ? readers(room.marks, item.row, model.user).filter((user) => room.membership.members.has(user)).length : 0;
    const meta = metaOf(item, read);
    const quote = item.reply && quoteOf(item.reply);
    const reactions = [...withWaiting(item)].map(([sign, users]) => [sign, [...users]]);
    const isDoubted = model.people.isOffered(item.user, item.root);
    push(item.key, [isTurn, item.isDeleted, item.isSigned, isLeaving(item), reactions, meta, quote, nameOf(item.user), item.row === marked, item.user === model.user, isDoubted], () => bubble(item, { isTurn, meta, quote, reactions, isDoubted }));
  }
  if (awaySince && model.line.name !== "live" && model.line.name !== "loading") push("lost", [awaySince], () => el("li", { class: "day", text: `Connection lost at ${timeOf(awaySince)}` }));
  pending.forEach((item, i) => push(`wait ${item.id}`, [i === 0, i === pending.length - 1, item.problem, model.line.name], () => waiting(item, i === 0, i === pending.length - 1)));
  return entries;

  /** What this person has pressed shows at once, also offline. */
  function withWaiting(item) {
    const all = new Map([...item.reactions].map(([sign, users]) => [sign, new Set(users)]));
    for (const { kind, room: id, body } of model.outbox.items) {
      if (kind !== "react" || id !== room.id || body.to !== item.id) continue;
      const users = all.get(body.sign) ?? new Set();
      if (body.isOn) users.add(model.user);
      else users.delete(model.user);
      all.set(body.sign, users);
    }
    return [...all].filter(([, users]) => users.size > 0);
  }

  function isLeaving(item) {
    return model.outbox.items.some(({ kind, room: id, body }) => kind === "delete" && id === room.id && body.id === item.id);
  }

  function metaOf(item, read) {
    if (item.isDeleted) return null;
    if (item === lastOwn) return { time: timeOf(item.at), read, isOwn: true, of: room.membership.members.size - 1, isDm: Boolean(room.other) };
    return item === lastText ? { time: timeOf(item.at) } : null;
  }

  function quoteOf(id) {
    const to = room.timeline.find(id);
    if (!to) return { name: "", text: "A message that is not here" };
    return { name: nameOf(to.user, true), text: to.isDeleted ? "Deleted" : shorten(to.text), row: to.row };
  }

  function bubble(item, { isTurn, meta, quote, reactions, isDoubted }) {
    const isMine = item.user === model.user;
    const name = nameOf(item.user, true);
    const classes = [isMine ? "mine" : "them", isLeaving(item) && "wait", isTurn && "turn", item.row === marked && "focus"].filter(Boolean).join(" ");
    const who = isMine ? el("span", { class: "vh", text: "You" })
      : isTurn && !room.other ? el("span", { class: "who", text: name }) : el("span", { class: "vh", text: name });
    if (item.isDeleted) {
      return el("li", { class: classes, data: { row: item.row } }, isTurn && !isMine && avatar(item.user, name), who,
        el("p", { class: "bubble gone", text: item.isSigned ? `${name} deleted a message` : `The server took a message of ${nameOf(item.user)} away` }));
    }
    const body = el("div", { class: "bubble" }, quote && quoteNode(quote), el("span", { class: "text", text: item.text }));
    return el("li", { class: classes, data: { row: item.row, id: item.id } }, isTurn && !isMine && avatar(item.user, name), who,
      el("div", { class: "said" }, body, moreButton(item)), isDoubted && doubt(name),
      reactions.length > 0 && reactionRow(item, reactions), meta && metaNode(meta));
  }

  /** A member and the backend together can give anybody new keys. */
  function doubt(name) {
    return el("p", { class: "meta doubt" }, icon("warn"), `Under new keys of ${name}: somebody else may have written this`);
  }

  function quoteNode({ name, text, row }) {
    const content = [el("b", { text: name }), text];
    if (!row) return el("span", { class: "quote" }, content);
    return el("button", { class: "quote", type: "button", on: { click: () => {
      document.querySelector(`.msgs [data-row="${row}"]`)?.scrollIntoView({ block: "center", behavior: "smooth" });
    } } }, content);
  }

  function metaNode({ time, read, isOwn, isDm }) {
    const state = !isOwn ? null
      : read > 0 ? el("span", { class: "open" }, icon("checks"), isDm ? "read" : `read by ${read}`)
      : el("span", { class: "sent" }, icon("check"), "sent");
    return el("p", { class: "meta" }, time, state && " · ", state);
  }

  function reactionRow(item, reactions) {
    return el("div", { class: "reacts" }, reactions.filter(([sign]) => Object.hasOwn(REACTIONS, sign)).map(([sign, users]) => {
      const isOwn = users.includes(model.user);
      const who = users.map((user) => nameOf(user)).join(" and ");
      return el("button", { type: "button", aria: { pressed: isOwn, label: `${REACTIONS[sign]}, ${users.length}: ${who}` }, on: { click: () => react(item, sign) } },
        icon(sign), el("span", { text: String(users.length) }));
    }));
  }

  function react(item, sign) {
    const isOn = !new Map(withWaiting(item)).get(sign)?.has(model.user);
    model.outbox.enqueue(room.id, "react", { to: item.id, sign, isOn });
  }

  function moreButton(item) {
    const label = `React, reply${item.user === model.user ? ", delete" : ""}: ${shorten(item.text, 30)}`;
    return iconButton("more", label, (event) => openMenu(event.currentTarget, item), { class: "iconbtn acts", "aria-haspopup": "true", title: "React or reply" });
  }

  /** One menu for all messages; the browser closes it on Escape and on a press elsewhere. */
  function openMenu(opener, item) {
    document.getElementById("actions")?.remove();
    const shut = (work) => () => {
      menu.hidePopover();
      work();
    };
    const menu = el("div", { id: "actions", class: "actions", popover: "auto", role: "group", "aria-label": "For this message" },
      el("div", { class: "row" }, Object.entries(REACTIONS).map(([sign, name]) =>
        iconButton(sign, name, shut(() => react(item, sign)), { aria: undefined, "aria-label": name, "aria-pressed": String(Boolean(item.reactions.get(sign)?.has(model.user))) }))),
      action("reply", "Reply", shut(() => reply(item))),
      item.user === model.user && action("trash", "Delete for everybody", shut(() => model.outbox.enqueue(room.id, "delete", { id: item.id }))));
    document.body.append(menu);
    menu.addEventListener("toggle", ({ newState }) => {
      if (newState !== "closed") return;
      menu.remove();
      if (!document.activeElement || document.activeElement === document.body) opener.focus();
    });
    menu.showPopover();
    place(menu, opener);
    menu.querySelector("button").focus();
  }

  function pushOther(item) {
    const text = {
      member: () => memberLine(item, nameOf),
      broken: () => item.sentence,
      missing: () => `${item.count} message${item.count === 1 ? " of" : "s of"} ${nameOf(item.user)} did not arrive here`,
      locked: () => `${item.count} message${item.count === 1 ? " is" : "s are"} sealed to other devices: this one had no key then`,
    }[item.type]();
    const isBroken = ["broken", "missing"].includes(item.type);
    const symbol = { member: "people", broken: "warn", missing: "warn", locked: "lock" }[item.type];
    push(item.key, [text], () => el("li", { class: `sys${isBroken ? " broken" : ""}`, data: { row: item.row } }, icon(symbol), el("span", { text })));
  }

  function waiting(item, isTurn, isLast) {
    const isLive = model.line.name === "live";
    const text = item.problem ? "was not sent" : isLive ? "on its way" : "waits here, sealed";
    return el("li", { class: `mine wait${isTurn ? " turn" : ""}`, data: { id: item.id } }, el("span", { class: "vh", text: "You" }),
      el("div", { class: "bubble" }, item.body.reply && quoteNode({ ...quoteOf(item.body.reply), row: 0 }), el("span", { class: "text", text: item.body.text })),
      isLast && el("p", { class: "meta" }, icon("clock"), text));
  }
}

const action = (name, text, press) => el("button", { class: "btn quiet", type: "button", on: { click: press } }, icon(name), text);

const shorten = (text, most = 80) => (text.length > most ? `${text.slice(0, most - 1).trimEnd()}…` : text);

function place(menu, opener) {
  const [at, size] = [opener.getBoundingClientRect(), menu.getBoundingClientRect()];
  const left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8));
  const top = at.bottom + size.height + 8 < innerHeight ? at.bottom + 4 : Math.max(8, at.top - size.height - 4);
  menu.style.setProperty("left", `${left}px`);
  menu.style.setProperty("top", `${top}px`);
}
