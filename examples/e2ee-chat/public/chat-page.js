// The chat: people, the open conversation, and what travels, kept up to date.

import { announce, dialog, el, followKeyboard, notice, tapSockets, toast, wirePanel } from "../../lib/ui.js";
import { openCompare } from "./compare.js";
import { Frames } from "./frames.js";
import { openLine } from "./line.js";
import { pageClock, People } from "./people.js";
import { peopleView } from "./people-view.js";
import { printCard } from "./print-card.js";
import { talkView } from "./talk-view.js";
import { CHANNEL_OF_TABS } from "./verify-view.js";

export function chatPage({ bar, config, own, pins, signOut, onUnread }) {
  const unread = new Map();
  let openId = null;
  let line = null;
  let isDrawing = false;
  let isDropping = false;
  let trouble = null;
  let shownWarnings;
  const clock = pageClock();
  const state = { name: "loading", details: {} };

  const people = new People({ own, pins, clock, onChange: draw, onArrival });
  const panel = wirePanel({ caption: "" });
  const frames = new Frames(own, panel);
  tapSockets((frame) => frames.take(frame) && draw());

  const directory = peopleView({ own, signOut: askToSignOut, copyAddress });
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
    showWarnings();
    document.title = `${total() > 0 ? `(${total()}) ` : ""}${person ? `${person.name} · ` : ""}End-to-end chat`;
    if (line) bar.set(state.name, { ...state.details, queued: people.waiting });
  }

  /** Anew only if they change: screen readers say them. */
  function showWarnings() {
    const minutes = trouble && state.name === "live" ? Math.max(1, Math.ceil(trouble.leftMs / 60_000)) : 0;
    const shown = [people.isOwnKeyShown, minutes, trouble?.sentence].join();
    if (shown === shownWarnings) return;
    shownWarnings = shown;
    warning.replaceChildren(...[
      !people.isOwnKeyShown && notice("bad", {
        title: "The server shows others a key that is not yours",
        text: "Nothing is sent. Somebody may be in between you and everybody here.",
      }),
      minutes > 0 && notice("warn", {
        title: "This page gets no new token",
        text: `${trouble.sentence} The chat goes on for ${minutes === 1 ? "a minute" : `${minutes} minutes`}, and this page asks again by itself.`,
        action: { text: "Ask now", press: () => line?.renew() },
      }),
    ].filter(Boolean));
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

  /** Texts live in this tab alone, also while another one holds the chat. */
  const isSafeToLeave = (event) => people.unsent > 0 && !isDropping && event.preventDefault();

  function askToSignOut() {
    const { unsent } = people;
    const leave = () => {
      isDropping = true;
      return signOut();
    };
    if (unsent === 0) return leave();
    const one = unsent === 1;
    dialog({
      title: one ? "One message has not arrived" : `${unsent} messages have not arrived`,
      lead: `${one ? "It lives" : "They live"} in this tab alone. Signing out drops ${one ? "it" : "them"} for good.`,
      actions: [{ text: "Stay", kind: "primary" }, { text: one ? "Sign out and drop it" : "Sign out and drop them", kind: "bad", press: () => void leave() }],
    });
  }

  const tabs = new BroadcastChannel(CHANNEL_OF_TABS);
  tabs.onmessage = () => people.reload().catch(onUnread);
  window.addEventListener("beforeunload", isSafeToLeave);
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
      isDropping = false;
      setState("loading");
      line = openLine({
        config, me: own, clock,
        on: {
          state: setState,
          members: (members) => people.setMembers(members).then(() => {
            // The address may name somebody whom this browser did not know yet.
            if (openId) current().conversation.open();
            else if (location.hash) openFromAddress();
          }),
          event: (id, event, data) => people.receive(id, event, data),
          trouble: (value) => {
            trouble = value;
            draw();
          },
          refused: onRefused,
        },
      });
      people.line = line;
      openFromAddress();
    },
    stop() {
      line?.close();
      line = people.line = null;
      trouble = null;
      people.setLive(false);
    },
  };
}
