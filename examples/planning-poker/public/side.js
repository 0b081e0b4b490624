// Beside the table: what the server sees, the invitation, and the estimates so far.

import { button, card, chip, copyButton, dialog, el, iconButton, wirePanel } from "/lib/ui.js";
import { qr } from "/lib/words.js";
import { isNumber, labelOf, NO_CARD, sumOf } from "./deck.js";
import { seatOf } from "./table.js";

export function sideView({ player, link, actions }) {
  const wire = wirePanel({ caption: "The last change, as it left this tab" });
  const list = el("ol", { class: "stories" });
  const sum = el("span", { class: "small dim" });
  const estimates = card("Estimates", list);
  estimates.querySelector(".head").append(sum);
  const role = button("Just watch", { low: true, press: () => actions.role(1) });
  const node = el("div", { class: "side" }, wire.node, inviteCard(link, role, actions), estimates);
  let isSilent = false;
  let isDown = false;

  function show(view) {
    const { table } = view;
    role.hidden = seatOf(table, player)?.watches !== 0;
    showStories(list, table);
    estimates.hidden = list.childElementCount === 0;
    sum.textContent = table.stories.some((story) => isNumber(story.card)) ? `sum ${sumOf(table.stories.map((story) => story.card))}` : "";
    const others = view.here === null ? "its connections" : view.here.size === 1 ? "one connection" : `${view.here.size} connections`;
    wire.explain({
      knows: `one room, ${others} with addresses, when something changes, and its size to the next KiB`,
      cannot: table.up ? "that the cards are up, or who laid which" : "who plays, what you estimate, any card",
    });
    isDown = ["reconnecting", "offline"].includes(view.line.state);
    if (isDown && view.waiting > 0) {
      isSilent = true;
      wire.silence("Nothing leaves this browser", `${view.waiting} ${view.waiting === 1 ? "change waits" : "changes wait"}`, view.waitingSealed);
    } else if (isSilent && wire.lastFrame) {
      isSilent = false;
      wire.show(wire.lastFrame);
    }
  }

  return {
    node,
    show,
    frame({ direction, text, bytes }) {
      // The own change comes back on the stream: what left is the better picture.
      const isEcho = direction === "in" && wire.lastFrame !== null && text.includes(`"user_id":"${player}"`);
      // Without a line it is an attempt only.
      if (!text.includes("client-state") || isEcho || (isDown && direction === "out")) return;
      isSilent = false;
      wire.show(text, { bytes, caption: direction === "out" ? "The table after your change, as it left this tab" : "The table, as it came to this tab" });
    },
  };
}

function inviteCard(link, role, actions) {
  const code = el("code", {}, "…/", el("mark", { text: `${link.slice(link.indexOf("#"), link.indexOf("#") + 9)}…` }));
  const show = iconButton("qr", "Show as QR code", () => showQr(link));
  return card("Invite",
    el("div", { class: "link" }, code, copyButton(link, "Copy", { low: true, label: "Copy the link" }), show),
    el("p", { text: "The red part is the key, and is in no request. Everybody with the link sees and changes everything, even before the turn." }),
    el("p", { text: "This tab keeps the key for reloads. The server forgets the table after an hour of silence, or 5 minutes after the last player left." }),
    el("div", { class: "row ways" }, role, button("Leave", { low: true, press: () => actions.leave() }),
      button("Close for all", { low: true, kind: "bad", press: () => askToClose(actions) })));
}

function showQr(link) {
  dialog({
    title: "Scan to join",
    lead: "The code holds the key. Show it only to people of this table.",
    body: el("div", { class: "qr big" }, qr(link, "QR code of the link to this table")),
  });
}

function askToClose(actions) {
  dialog({
    title: "Close this table for all?",
    lead: "Stories and estimates are gone, for everybody. Copy what you need first.",
    actions: [{ text: "Close for all", kind: "bad", press: () => actions.close() }, { text: "Keep it open", kind: "quiet" }],
  });
}

function showStories(list, table) {
  const rows = table.stories.map(({ title, card: code }) => [title, code === NO_CARD ? "" : labelOf(code)]);
  if (table.story) rows.push([table.story, null]);
  const text = JSON.stringify(rows);
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(...rows.map(([title, value]) =>
    el("li", {}, el("span", { text: title }), el("b", {}, value === null ? chip("now", "accent") : value))));
}
