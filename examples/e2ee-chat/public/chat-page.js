// The chat: people, the open conversation, and what travels, kept up to date.

import { announce, el, followKeyboard, notice, tapSockets, toast, wirePanel } from "../../lib/ui.js";
import { openCompare } from "./compare.js";
import { Frames } from "./frames.js";
import { openLine } from "./line.js";
import { pageClock, People } from "./people.js";
import { peopleView } from "./people-view.js";
import { printCard } from "./print-card.js";
import { talkView } from "./talk-view.js";
import { CHANNEL_OF_TABS } from "./verify-view.js";

export function chatPage({ bar, config, own, pins, signOut }) {
  const unread = new Map();
  let openId = null;
  let line = null;
  let isDrawing = false;
  const state = { name: "loading", details: {} };

  const people = new People({ own, pins, clock: pageClock(), onChange: draw, onArrival });
  const panel = wirePanel({ caption: "" });
  const frames = new Frames(own, panel);
  tapSockets((frame) => frames.take(frame) && draw());

  const directory = peopleView({ own, signOut, copyAddress });
  const talk = talkView({
    say: (text) => current()?.conversation.say(text),
    typing: () => current()?.conversation.typing(),
    sendAgain: () => current()?.conversation.sendAgain(),
    back: () => (location.hash = ""),
    compare,
  });
  const hint = el("div", { class: "hint" });
  const nothingOpen = el("main", { class: "talk none", id: "main" }, hint);
  const middle = el("div", { class: "middle" });
  const print = printCard({ own });
  const aside = el("aside", { class: "aside", aria: { label: "Behind the chat" } }, panel.node, print.node);
  const warning = el("div", { class: "warning" });
  const rooms = el("div", { class: "rooms" }, directory.node, middle, aside);
  const node = el("div", { class: "chat" }, warning, rooms);

  const current = () => (openId ? people.get(openId) : undefined);

  /* ---- drawing, once for many changes ------------------------------------------------- */

  function draw() {
    if (isDrawing) return;
    isDrawing = true;
    queueMicrotask(() => {
      isDrawing = false;
      drawNow();
    });
  }

  function drawNow() {
    const person = current();
    rooms.classList.toggle("list", !person);
    directory.show(people.list, openId, unread);
    const shown = person ? talk.node : nothingOpen;
    if (middle.firstChild !== shown) middle.replaceChildren(shown);
    if (person) {
      talk.show(person, frames.focusOf(person.id));
      frames.show(person);
    } else {
      const isAlone = people.list.length === 0;
      hint.replaceChildren(el("b", { text: isAlone ? "A chat needs two" : "Choose somebody" }),
        el("p", { text: isAlone ? "Once somebody else is here, your two browsers agree on keys." : "Your two browsers then agree on keys of their own." }));
      panel.lastFrame = null;
      panel.silence("Nothing yet", "Open a conversation to see its frames.");
      panel.explain({ knows: "who is here, and everybody’s public key" });
    }
    print.show(person);
    warning.replaceChildren(...(people.isOwnKeyShown ? [] : [notice("bad", {
      title: "The server shows others a key that is not yours",
      text: "Nothing is sent. Somebody may be in between you and everybody here.",
    })]));
    document.title = `${total() > 0 ? `(${total()}) ` : ""}${person ? `${person.name} · ` : ""}End-to-end chat`;
    if (line) bar.set(state.name, { ...state.details, queued: people.waiting });
  }

  const total = () => [...unread.values()].reduce((sum, count) => sum + count, 0);

  function onArrival(id) {
    if (id === openId && document.visibilityState === "visible") return;
    unread.set(id, (unread.get(id) ?? 0) + 1);
    if (id !== openId) announce(`A message from ${people.get(id).name}`);
  }

  function copyAddress() {
    navigator.clipboard.writeText(`${location.origin}/`).then(() => toast("Copied"), () => toast(`Open ${location.origin}`, { icon: "link" }));
  }

  /* ---- opening and comparing ---------------------------------------------------------- */

  function openFromAddress() {
    const id = location.hash.slice(1);
    openId = people.get(id) ? id : null;
    if (openId) {
      unread.delete(openId);
      current().conversation.open();
    }
    drawNow();
    if (openId && matchMedia("(pointer: fine)").matches) talk.focus();
  }

  async function compare() {
    const person = current();
    const key = person.pin.offered ?? person.pin.key;
    await openCompare({
      own, person, key,
      onMatch: async () => {
        await people.verify(person.id, key);
        toast(`${person.name} is verified`, { icon: "shield" });
      },
      onDiffer: async () => {
        await people.reject(person.id, key);
        toast("Nothing more is sent", { icon: "warn" });
      },
    });
  }

  /* ---- the connection ----------------------------------------------------------------- */

  function setState(name, details = {}) {
    Object.assign(state, { name, details });
    people.setLive(name === "live");
  }

  const isSafeToLeave = (event) => people.unsent > 0 && event.preventDefault();
  const tabs = new BroadcastChannel(CHANNEL_OF_TABS);
  tabs.onmessage = () => people.reload();
  window.addEventListener("hashchange", openFromAddress);
  document.addEventListener("visibilitychange", () => {
    if (openId && document.visibilityState === "visible" && unread.delete(openId)) draw();
  });
  followKeyboard();

  return {
    node,
    get unsent() {
      return people.unsent;
    },
    reload: () => people.reload(),
    start({ onRefused }) {
      window.addEventListener("beforeunload", isSafeToLeave);
      setState("loading");
      line = openLine({
        config, me: own,
        on: {
          state: setState,
          members: (members) => people.setMembers(members).then(() => current()?.conversation.open()),
          event: (id, event, data) => people.receive(id, event, data),
          refused: onRefused,
        },
      });
      people.line = line;
      openFromAddress();
    },
    stop() {
      line?.close();
      line = people.line = null;
      people.setLive(false);
      window.removeEventListener("beforeunload", isSafeToLeave);
    },
  };
}
