// Planning poker: chooses the page, and joins the room to what is seen.

import { el, pageBar, whileLoading } from "/lib/ui.js";
import { randomBytes, randomId, toHex } from "../../lib/crypto.js";
import { feltView } from "./felt.js";
import { handView } from "./hand.js";
import { linkFor, newLinkKey, openLink, readFragment } from "./link.js";
import { brokenLinkPage, closedPage, doubtPage, homePage, insecurePage, joinPage, refusedPage } from "./lobby.js";
import { noteList } from "./notes.js";
import { openRoom } from "./room.js";
import { seatKeeper } from "./seat.js";
import { openSession } from "./session.js";
import { sideView } from "./side.js";
import { isFullFor } from "./table.js";
import { watchOtherTabs } from "./tabs.js";

const CHANGE_ID_BYTES = 8;

const session = openSession();
const bar = pageBar({ app: "Planning poker" });
const notes = noteList();
const main = el("main", { id: "main", class: "stage" });
const skip = el("a", { class: "skip", href: "#main", text: "Skip to the table", on: { click: (event) => {
  // The fragment is for keys alone.
  event.preventDefault();
  main.querySelector("button, input")?.focus();
} } });
document.body.prepend(skip, bar.node, bar.line, notes.node, main);

let room = null;
let otherTabs = null;

function showPage(node) {
  main.className = "stage one";
  main.replaceChildren(node);
}

/* ---- the link ------------------------------------------------------------------------------- */

/** The key leaves the address bar: it would stay in pictures and in what is shown to others. */
function takeFragment() {
  const text = readFragment(location.hash);
  if (location.hash) history.replaceState(null, "", location.pathname);
  return text;
}

function openTable() {
  session.clear();
  session.takeKey(newLinkKey());
  enter();
}

function leave() {
  room?.end();
  room = null;
  otherTabs?.close();
  session.clear();
  notes.clear();
  bar.set("empty");
  document.title = "Planning poker";
  showPage(homePage(openTable));
}

function follow(text) {
  if (text === undefined) return session.get("key") ? (enterOnce(), notes.show("otherKeyShort")) : showBroken();
  if (text !== null && !session.takeKey(text)) {
    enterOnce();
    return notes.show("otherKey", { link: linkFor(text) });
  }
  if (session.get("key")) return enterOnce();
  bar.set("empty");
  showPage(homePage(openTable));
}

function showBroken() {
  bar.set("refused", { sentence: "This link has no whole key." });
  showPage(brokenLinkPage(openTable));
}

const enterOnce = () => room === null && enter();

/* ---- the room ------------------------------------------------------------------------------- */

async function enter() {
  room = {};
  notes.clear();
  bar.set("loading");
  const keys = await openLink(session.get("key"));
  const config = await loadConfig();
  if (!config) return;
  if (session.get("player") === null) session.put("player", randomId());
  const player = session.get("player");
  const view = roomView({ player, link: linkFor(session.get("key")) });
  room = openRoom({
    config, keys, session, player,
    newId: () => toHex(randomBytes(CHANGE_ID_BYTES)),
    onFrame: view.frame,
    onNote: (kind, details) => showNote(kind, details),
    onChange: view.show,
  });
  view.use(room);
  otherTabs?.close();
  otherTabs = watchOtherTabs({ player, tab: randomId(), onOther: () => notes.show("otherTab") });
  notes.set("storage", !session.isKept);
  await room.start();
}

async function loadConfig() {
  showPage(el("h1", { class: "vh", text: "Looking for the table" }));
  try {
    const response = await whileLoading(main, fetch("/config.json"));
    if (!response.ok) throw new Error((await response.json()).error);
    return await response.json();
  } catch (error) {
    const sentence = error instanceof TypeError ? "The backend does not answer." : error.message;
    bar.set("refused", { sentence });
    showPage(refusedPage(() => enter()));
  }
}

function showNote(kind, { isKnown, ...details } = {}) {
  if (kind === "shut") notes.show(isKnown ? "shut" : "shutAlone");
  else if (kind === "missed" && session.get("name") === null) return;
  else notes.show(kind, details);
}

function roomView({ player, link }) {
  let inside;
  let seat;
  let table;
  let shownLine = "";
  let isLeaving = false;
  const gone = () => (inside.here === null ? [] : table.seats.map(({ id }) => id).filter((id) => id !== player && !inside.here.has(id)));
  const actions = {
    turn: () => inside.change({ kind: "turn", round: table.round }),
    again: () => inside.change({ kind: "again", round: table.round, gone: gone() }),
    take: (card) => inside.change({ kind: "take", id: toHex(randomBytes(CHANGE_ID_BYTES)), round: table.round, card, gone: gone() }),
    story: (title) => inside.change({ kind: "story", round: table.round, title }),
    vote: (card) => seat.vote(table.round, card),
    role: (watches) => seat.sit(session.get("name"), watches),
    close: () => inside.change({ kind: "close" }),
    async leave() {
      isLeaving = true;
      session.put("name", "");
      await inside.change({ kind: "leave", player });
      await inside.flush();
      leave();
    },
  };
  const felt = feltView({ player, actions });
  const hand = handView({ player, actions });
  const side = sideView({ player, link, actions });
  const join = joinPage({ join: (name, watches) => seat.sit(name, watches), leave });
  const doubt = doubtPage({ putBack: () => inside.putBack(), leave });
  const tableNode = [el("div", { class: "poker-main" }, felt.node, hand.node), side.node];

  function showLine({ line, waiting }) {
    const state = line.state === "polling" ? "live" : line.state;
    notes.set("polling", line.state === "polling");
    const details = { retryAt: line.retryAt, retry: inside?.retry, queued: waiting, noun: "change", sentence: line.sentence };
    const key = JSON.stringify([state, details]);
    if (key === shownLine) return;
    shownLine = key;
    bar.set(state, details);
  }

  function show(view) {
    table = view.table;
    showLine(view);
    if (table.closed) return showClosed();
    document.title = table.story ? `${table.story} · Planning poker` : "Planning poker";
    if (isLeaving) return;
    if (view.isInDoubt) return main.firstChild === doubt || showPage(doubt);
    notes.set("full", session.get("name") !== null && isFullFor(table, player));
    if (session.get("name") === null) {
      if (main.firstChild !== join.node) {
        showPage(join.node);
        join.focus();
      }
      return join.show(view);
    }
    if (main.firstChild !== tableNode[0]) {
      main.className = "stage table";
      main.replaceChildren(...tableNode);
    }
    felt.show(view);
    hand.show(view);
    side.show(view);
    if (view.isLoaded && inside) seat.mend(table);
  }

  return {
    show,
    frame: side.frame,
    use(value) {
      inside = value;
      seat = seatKeeper({ session, player, change: value.change });
    },
  };
}

function showClosed() {
  room = null;
  otherTabs?.close();
  session.clear();
  notes.clear();
  bar.set("empty");
  document.title = "Planning poker";
  showPage(closedPage(openTable));
}

if (!window.isSecureContext || !crypto.subtle) {
  bar.set("refused", { sentence: "This page is not secure." });
  showPage(insecurePage());
} else {
  addEventListener("hashchange", () => follow(takeFragment()));
  follow(takeFragment());
}
