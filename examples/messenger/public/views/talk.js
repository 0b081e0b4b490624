// The talk: its head, the messages, who types, the composer.

import { autoGrow, avatar, button, caughtUp, el, icon, iconButton, notice, toast } from "../../../lib/ui.js";
import { messageEntries } from "./bubbles.js";
import { compareDialog, roomDialog } from "./members.js";
import { keep } from "./keep.js";

const SHOWN = 120;
const NEAR_PX = 80;
const MAX_BYTES = 5000;

export function talkView({ model, app, back }) {
  const nameOf = (user) => model.people.nameOf(user);
  let room = null;
  let shown = SHOWN;
  /** The line in front of what came while this person was away: `{ after, label }`. */
  let line = null;
  let reply = null;
  let marked = null;
  const drafts = new Map();

  const title = el("h1");
  const subtitle = el("p");
  const mark = el("span");
  const head = el("header", { class: "talk-head" },
    iconButton("back", "All rooms", back, { class: "iconbtn backbtn" }), mark, el("div", { class: "grow" }, title, subtitle),
    iconButton("more", "Members and more", () => room && roomDialog(model, room)));
  const list = el("ol", { class: "msgs", "aria-live": "polite", "aria-relevant": "additions" });
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "The conversation", on: { scroll: scrolled } }, list);
  const newest = button("Newest", { low: true, icon: "down", press: toNewest, class: "btn low newest", hidden: true });
  const typing = el("p", { class: "typing", role: "status" });
  const input = el("textarea", { class: "field", rows: 1, id: "message", maxlength: 4000 });
  const label = el("label", { class: "vh", for: "message", text: "Message" });
  const quoted = el("div", { class: "quoted", hidden: true });
  const form = el("form", { class: "composer" }, el("div", { class: "grow" }, quoted, label, input),
    el("button", { class: "btn primary", type: "submit" }, icon("send"), el("span", { class: "vh", text: "Send" })));
  const halt = el("div", { class: "halt-place" });
  const node = el("main", { class: "talk", id: "main" }, head, scroll, newest, typing, halt, form);
  const fit = autoGrow(input);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  input.addEventListener("keydown", (event) => {
    const isTouch = matchMedia("(pointer: coarse)").matches;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !isTouch) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && reply) setReply(null);
  });
  input.addEventListener("input", () => room && input.value && model.signals.type(room).catch(() => {}));

  function send() {
    const text = input.value.trim();
    if (!text || !room) return;
    if (new Blob([text]).size > MAX_BYTES) return toast("This is too long for one message. Send it in parts.", { icon: "warn" });
    model.outbox.enqueue(room.id, "text", { text, ...(reply && { reply: reply.id }) });
    input.value = "";
    model.signals.typed();
    setReply(null);
    fit();
    toNewest();
  }

  function setReply(item) {
    reply = item;
    quoted.hidden = !item;
    quoted.replaceChildren(...(item ? [
      el("span", { class: "quote" }, el("b", { text: item.user === model.user ? "You" : nameOf(item.user) }), item.text.slice(0, 120)),
      iconButton("close", "Do not reply to this", () => setReply(null)),
    ] : []));
    if (item) input.focus();
  }

  /* ---- opening, reading ----------------------------------------------------------------------- */

  function open(next, { row } = {}) {
    const isOther = room !== next;
    if (isOther) {
      if (room) drafts.set(room.id, input.value);
      room = next;
      shown = SHOWN;
      setReply(null);
      input.value = drafts.get(next.id) ?? "";
      fit();
      list.replaceChildren();
      const count = next.timeline.unread(next.read, model.user);
      line = count > 0 && next.read > 0 ? { after: next.read, label: null } : null;
    }
    marked = row ?? null;
    if (row) {
      shown = Math.max(shown, next.timeline.items.length - next.timeline.items.findIndex((item) => item.row === row) + 20);
      draw();
      list.querySelector(`[data-row="${row}"]`)?.scrollIntoView({ block: "center" });
    } else if (isOther) requestAnimationFrame(toNewest);
  }

  /** After the line came back: what others wrote meanwhile begins behind a line of its own. */
  function reconnected() {
    if (!room || room.awayFrom === undefined) return;
    if (room.timeline.unread(room.awayFrom, model.user) > 0) line = { after: room.awayFrom, label: null };
    delete room.awayFrom;
    draw();
  }

  const isAtNewest = () => scroll.scrollTop > -NEAR_PX;

  function toNewest() {
    scroll.scrollTop = 0;
    scrolled();
  }

  function scrolled() {
    newest.hidden = isAtNewest();
    const isAtTop = scroll.scrollHeight - scroll.clientHeight + scroll.scrollTop < 40;
    if (isAtTop && room && shown < room.timeline.items.length) {
      shown += SHOWN;
      draw();
    }
    readIfSeen();
  }

  function readIfSeen() {
    const isSeen = room && document.visibilityState === "visible" && isAtNewest() && node.offsetParent !== null;
    if (isSeen && room.isMember) model.markRead(room);
  }

  /* ---- drawing ---------------------------------------------------------------------------------- */

  function draw() {
    const pending = model.outbox.items.filter((item) => item.room === room.id && item.kind === "text");
    const entries = messageEntries({ model, room, shown, pending, marked, reply: setReply, lineFor: linePosition(), awaySince: model.line.since });
    keep(list, entries);
    list.setAttribute("aria-label", `Messages in ${room.displayTitle(nameOf)}`);
  }

  function linePosition() {
    if (!line) return null;
    const count = room.timeline.unread(line.after, model.user);
    line.label ??= count;
    return count > 0 ? { after: line.after, make: () => caughtUp(line.label) } : null;
  }

  function update(isTalking) {
    node.classList.toggle("nothing", !room);
    form.hidden = !room || room.obstacle !== "";
    if (!room) return;
    const name = room.displayTitle(nameOf);
    title.textContent = name;
    mark.replaceChildren(avatar(room.id, name));
    subtitle.textContent = whoIsHere();
    draw();
    showTyping();
    label.textContent = `Message to ${name}`;
    input.placeholder = model.line.name === "live" ? `Message to ${name}` : "Write on, it waits here";
    keep(halt, obstacles());
    if (isTalking) readIfSeen();
    newest.hidden = isAtNewest();
  }

  function whoIsHere() {
    if (!room.isMember) return "You are not in this room any more";
    if (model.line.name !== "live") return "can’t tell who is here";
    const here = [...(model.here.get(room.id) ?? [])].filter((user) => user !== model.user && room.membership.members.has(user)).map(nameOf);
    if (room.other) return here.length > 0 ? "here" : "not here";
    if (here.length === 0) return `${room.membership.members.size} members, nobody else is here`;
    return `${here.join(", ")} ${here.length === 1 ? "is" : "are"} here`;
  }

  function showTyping() {
    const nodes = typingNodes();
    typing.hidden = nodes.length === 0;
    // The same words again would be read out again.
    if ((nodes[1] ?? "") !== typing.textContent) typing.replaceChildren(...nodes);
  }

  function typingNodes() {
    const who = [...(model.signals.typing.get(room.id)?.keys() ?? [])].map(nameOf);
    if (who.length === 0) return [];
    const dots = el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    return [dots, `${who.join(" and ")} ${who.length === 1 ? "is" : "are"} typing`];
  }

  function obstacles() {
    const item = model.outbox.items.find(({ room: id, problem }) => id === room.id && problem);
    const why = room.obstacle;
    return [
      why && { key: why, stamp: `${room.id} ${room.halted && nameOf(room.halted)}`, make: () => haltFor(why) },
      item && { key: "failed", stamp: item.problem, make: () => failed(item) },
    ].filter(Boolean);
  }

  function haltFor(why) {
    if (why === "removed") return el("div", { class: "note-place" }, notice("info", { title: "You are not in this room any more", text: "What you have read stays here. Nothing new opens for you.", icon: "lock" }));
    if (why === "key") return el("div", { class: "note-place" }, notice("warn", { title: "This device has no key of this room yet", text: "It comes as soon as another member, or an older device of yours, is here.", icon: "key" }));
    const name = nameOf(room.halted);
    return el("section", { class: "halt", role: "alert" },
      el("h2", {}, icon("warn"), `${name}’s keys changed`),
      el("p", { text: "A new phone or a cleared browser does this. So does somebody who reads along. Call, and compare the words. Nothing is sent until then." }),
      el("div", { class: "foot" },
        button("Compare words", { kind: "primary", press: () => compareDialog(model, room.halted) }),
        room.membership.kind === "room" && button(`Remove ${name}`, { kind: "bad", press: () => model.rooms.remove(room, room.halted) })));
  }

  async function takeBack(item) {
    await model.outbox.drop(item.id);
    if (item.kind !== "text") return;
    input.value = [item.body.text, input.value].filter(Boolean).join("\n");
    fit();
    input.focus();
  }

  function failed(item) {
    return el("div", { class: "note-place" }, notice("bad", { title: "A message was refused", text: item.problem, action: { text: "Take it back", press: () => takeBack(item) } }));
  }

  const waits = setInterval(() => room && model.line.name === "live" && readIfSeen(), 5000);

  return {
    node, open, update,
    caughtUp: reconnected,
    focus: () => (form.hidden ? scroll : input).focus(),
    close: () => clearInterval(waits),
  };
}
