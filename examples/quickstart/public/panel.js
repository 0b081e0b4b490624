// One client's panel: its state in words, and its messages with the frame that each came in.

import { avatar, button, chip, el, notice, sealMark, showFrame, timeOf } from "/lib/ui.js";

const LENGTH = 20;
const TONES = { Live: "open", Connecting: "", "Given up": "bad" };

export function messagePanel({ id, title, lead, onRetry }) {
  const state = el("span", { class: "panel-state", role: "status" });
  const empty = el("div", { class: "waiting" }, sealMark(), el("span", { text: "Nothing has arrived yet." }));
  const trouble = el("div", { class: "trouble" });
  const feed = el("ol", { class: "feed", reversed: true, tabindex: "0", aria: { label: `Messages of ${title}` } });
  const node = el("section", { class: "card panel", id, "aria-labelledby": `${id}-title` },
    el("div", { class: "panel-head" }, el("h2", { id: `${id}-title`, text: title }), state, el("p", { class: "dim small", text: lead })),
    trouble, empty, feed);

  let word;
  const setState = (next, tone = TONES[next] ?? "") => {
    if (word === next) return;
    word = next;
    state.replaceChildren(chip(next, tone));
  };
  const add = (item) => {
    empty.hidden = true;
    feed.prepend(item);
    while (feed.children.length > LENGTH) feed.lastElementChild.remove();
  };
  setState("Connecting");

  return {
    node,
    setState,
    show: (message, frame) => add(messageItem(message, frame)),
    /** A frame that does not open is shown as one, never dropped. */
    showUnopened: (frame) => add(el("li", { class: "message new unopened" },
      notice("bad", { title: "A message did not open.", text: "It was altered on its way, or its key is gone. Reload the page to get the current key.", icon: "lock" }),
      strip(frame))),
    explain({ kind, word: says, title: heading, text, code }) {
      setState(says, kind === "refused" ? "bad" : "warn");
      empty.hidden = true;
      const retry = kind === "fault" ? { text: "Try again", press: onRetry } : undefined;
      trouble.replaceChildren(notice(kind === "refused" ? "bad" : "warn", { title: heading, text, code, action: retry, icon: kind === "refused" ? "lock" : "warn" }));
    },
    settle() {
      trouble.replaceChildren();
      empty.hidden = feed.children.length > 0;
      setState("Live");
    },
    clear() {
      feed.replaceChildren();
      trouble.replaceChildren();
      empty.hidden = false;
    },
  };
}

function messageItem({ id, name, text, sent, isOwn }, frame) {
  const date = new Date(sent);
  const isDate = !Number.isNaN(date.valueOf());
  return el("li", { class: "message new" },
    el("div", { class: "message-head" }, avatar(id, name), el("span", { class: "who", text: name }), isOwn && chip("you"),
      isDate && el("time", { datetime: date.toISOString(), text: timeOf(date) })),
    el("p", { class: "text", text }),
    strip(frame));
}

/** The sealed part in one line, and the whole frame for those who want it. */
function strip(frame) {
  const size = `${new Blob([frame]).size.toLocaleString("en")} bytes`;
  const peek = el("p", { class: "peek" }, sealedPart(frame));
  const whole = el("pre", { class: "frame", hidden: true });
  showFrame(whole, frame);
  const more = button("Show all", { kind: "quiet", low: true, "aria-expanded": "false", press: () => {
    whole.hidden = !whole.hidden;
    peek.hidden = !whole.hidden;
    more.setAttribute("aria-expanded", !whole.hidden);
    more.textContent = whole.hidden ? "Show all" : "Show less";
  } });
  return el("div", { class: "strip" },
    el("p", { class: "strip-head" }, el("span", { text: "On the wire" }), el("span", { class: "size", text: size }), more), peek, whole);
}

function sealedPart(frame) {
  try {
    const { nonce, ciphertext } = JSON.parse(JSON.parse(frame).data);
    return [el("span", { class: "n", text: nonce }), " ", el("span", { class: "c", text: ciphertext })];
  } catch {
    return frame;
  }
}
