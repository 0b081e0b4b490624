// The three columns: rooms, the talk, what the server sees. On a phone the list, then the talk.

import { announce, el, timeOf, wirePanel } from "../../../lib/ui.js";
import { directory } from "./directory.js";
import { talkView } from "./talk.js";
import { roomCard } from "./aside.js";

const AWAY = ["reconnecting", "offline", "refused"];
const CANNOT = "Messages, replies, who likes what. A reaction looks like any other row.";

export function mainView({ model, bar, app, frames }) {
  let openId = null;
  const wire = wirePanel({ caption: "The newest row of a room, as it came", knows: "Who is in which room, and when somebody writes.", cannot: CANNOT });
  const card = el("div");
  const list = directory({ model, app, open });
  const talk = talkView({ model, app, back });
  const aside = el("aside", { class: "aside", "aria-label": "Behind the room" }, wire.node, card);
  const skip = el("a", { class: "skip", href: "#main", text: "Skip to the room", on: { click: (event) => {
    event.preventDefault();
    talk.focus();
  } } });
  const node = el("div", { class: "rooms" }, skip, list.node, talk.node, aside);

  /** By room: the last frame of a message. */
  const lastFrames = new Map();
  let shownLine = "";
  let shownFrame = null;

  /** Rows of messages only; the rest of the conversation with Sealcast says less. */
  function takeFrame({ direction, text, bytes }) {
    const [, row, device] = /"row:(\d+):\d+:([\w.]+):/.exec(text) ?? [];
    const [, room] = /"channel":"private-room-([0-9a-f]{32})"/.exec(text) ?? [];
    if (direction !== "in" || !row || !room) return;
    lastFrames.set(room, { text, bytes, row, device });
    model.changed("frame");
  }
  frames.add(takeFrame);

  function showFrame(room, frame) {
    const user = frame.device.split(".")[0];
    const who = user === model.user ? "Your message" : `A message of ${model.people.nameOf(user)}`;
    wire.show(frame.text, { caption: `${who}, on the wire and in the table`, bytes: frame.bytes });
    explain(room, frame.row);
  }

  const narrow = matchMedia("(max-width: 720px)");

  /** Chosen by this person: on a phone the talk takes the place of the list. */
  async function open(id, { row, isByHand = true } = {}) {
    openId = id;
    document.body.dataset.view = "talk";
    if (isByHand && narrow.matches && history.state?.talk !== id) history.pushState({ talk: id }, "");
    talk.open(model.rooms.get(id), { row });
    update("all");
    if (isByHand && !narrow.matches) talk.focus();
  }

  function back() {
    if (history.state?.talk) history.back();
    else showList();
  }

  function showList() {
    document.body.dataset.view = "list";
    update("all");
    list.focus(openId);
  }

  const popped = ({ state }) => {
    if (state?.talk && model.rooms.get(state.talk)) open(state.talk);
    else showList();
  };
  addEventListener("popstate", popped);
  const seen = () => update("all");
  document.addEventListener("visibilitychange", seen);
  narrow.addEventListener("change", seen);

  function update(what) {
    if (what === "all" && !openId && !narrow.matches) {
      const first = list.order()[0];
      if (first) open(first.id, { isByHand: false });
    }
    const isTalking = document.body.dataset.view === "talk" || !narrow.matches;
    list.update(openId, !isTalking);
    talk.update(isTalking);
    const cards = roomCard(model, model.rooms.get(openId));
    if (cards.map((one) => one.textContent).join() !== card.textContent) card.replaceChildren(...cards);
    showLine();
    const count = model.rooms.unread(model.user);
    const room = model.rooms.get(openId);
    const title = room ? room.displayTitle((user) => model.people.nameOf(user)) : "Messenger";
    document.title = `${count > 0 ? `(${count}) ` : ""}${room ? `${title} · ` : ""}Messenger`;
  }

  function showLine() {
    const { name, since, retryAt, sentence } = model.line;
    const queued = model.outbox.items.length;
    const shown = JSON.stringify([name, retryAt, queued, sentence]);
    const isNew = shown !== shownLine;
    if (isNew) bar.set(name, { retryAt, retry: () => model.live.tryNow(), queued, sentence });
    shownLine = shown;
    if (AWAY.includes(name)) {
      if (!isNew) return;
      wire.silence(`Nothing since ${timeOf(since)}`, "No frame has left this browser", model.outbox.items.map(({ sealed }) => sealed));
      wire.explain({
        knows: "Only that this browser is away.",
        cannot: "What waits here. Each message has its own id: however often it is tried, the room gets it once.",
      });
      shownFrame = null;
      return;
    }
    const room = model.rooms.get(openId);
    const frame = lastFrames.get(openId);
    const next = frame ?? room?.newestRow;
    if (!next || next === shownFrame) return;
    shownFrame = next;
    if (frame) showFrame(room, frame);
    else showRow(room);
  }

  /** Before a frame has come: the newest row of the room, as the database has it. */
  function showRow(room) {
    wire.show(JSON.stringify({ room: room.id, ...room.newestRow }), { caption: "The newest row of this room, as it stands in the table" });
    explain(room, room.newestRow.row);
  }

  function explain(room, row) {
    wire.explain({ knows: `${room.membership.members.size} members and ${room.deviceCount} devices, row ${row}, who sent it and when.`, cannot: CANNOT });
  }

  function arrived(room, item, isLive) {
    model.signals.stopTyping(room.id, item.user);
    if (item.user === model.user) return;
    const isSeen = document.visibilityState === "visible" && room.id === openId && document.body.dataset.view === "talk";
    if (!isSeen && isLive) announce(`New message in ${room.displayTitle((user) => model.people.nameOf(user))}`);
    if (document.visibilityState === "hidden") notify(room, item);
  }

  function notify(room, item) {
    if (!model.preferences.notify || globalThis.Notification?.permission !== "granted") return;
    const title = model.preferences.notifyText ? `${model.people.nameOf(item.user)}: ${item.text}` : "New message";
    let note;
    try {
      note = new Notification(title, { tag: room.id });
    } catch {
      // Some phones show notifications of installed pages only.
      return;
    }
    note.onclick = () => {
      window.focus();
      open(room.id);
    };
  }

  return {
    node, phase: "ready", update, arrived,
    caughtUp: () => talk.caughtUp(),
    close() {
      frames.delete(takeFrame);
      removeEventListener("popstate", popped);
      document.removeEventListener("visibilitychange", seen);
      narrow.removeEventListener("change", seen);
      talk.close();
    },
  };
}
