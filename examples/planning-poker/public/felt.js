// The table: seats around the felt, the board in its middle, watchers at the rail.

import { announce, avatar, el, icon, sealMark } from "/lib/ui.js";
import { boardView } from "./board.js";
import { labelOf, NO_CARD, spokenOf, verdictOf } from "./deck.js";
import { playersOf, watchersOf } from "./table.js";

const CROWD = 8;

export function feltView({ player, actions }) {
  const seats = el("ol", { class: "seats", aria: { label: "Players" } });
  const board = boardView({ player, actions });
  const watch = el("p", { class: "watch" });
  const node = el("section", { class: "felt", aria: { label: "The table" } }, seats, board.node, watch);
  const nodes = new Map();
  let wasUp = null;

  function show(view) {
    const { table } = view;
    const players = ordered(playersOf(table), player);
    const isUp = table.up === 1;
    const furthest = isUp ? verdictOf(players).furthest : null;
    node.dataset.crowd = players.length > CROWD;
    seats.style.setProperty("--columns", players.length <= 5 ? Math.max(1, players.length) : Math.min(5, Math.ceil(players.length / 2)));
    for (const [id, seat] of nodes) {
      if (players.some((one) => one.id === id)) continue;
      seat.node.remove();
      nodes.delete(id);
    }
    players.forEach((one, i) => {
      if (!nodes.has(one.id)) nodes.set(one.id, seatView());
      const seat = nodes.get(one.id);
      seat.show(one, { isUp, isMe: one.id === player, isOut: one.id === furthest, isAway: view.here !== null && !view.here.has(one.id) });
      place(seat.node, i, players.length);
      if (seats.children[i] !== seat.node) seats.insertBefore(seat.node, seats.children[i] ?? null);
    });
    board.show(view);
    showWatchers(watch, watchersOf(table), player);
    if (wasUp === false && isUp) announce(spoken(players));
    wasUp = isUp;
  }

  return { node, show };
}

/** The own seat comes last, at the bottom; the others as they sit, to the right of it. */
function ordered(players, player) {
  const at = players.findIndex(({ id }) => id === player);
  return [...players.slice(at + 1), ...players.slice(0, at + 1)];
}

function place(node, i, count) {
  const angle = Math.PI / 2 + ((i + 1) * 2 * Math.PI) / count;
  node.style.setProperty("--x", Math.cos(angle).toFixed(4));
  node.style.setProperty("--y", Math.sin(angle).toFixed(4));
}

function seatView() {
  const face = el("span", { class: "face" });
  const dots = el("span", { class: "dots" }, el("i"), el("i"), el("i"));
  const peek = el("b", { class: "peek" });
  const card = el("span", { class: "pcard", aria: { hidden: true } },
    el("span", { class: "sides" }, el("span", { class: "back" }, sealMark()), face), dots, peek);
  const name = el("span");
  const state = el("small");
  const node = el("li", { class: "seat new" }, card, el("p", {}, name, state));

  function show({ id, name: text, card: code }, { isUp, isMe, isOut, isAway }) {
    const hasCard = code !== NO_CARD;
    node.dataset.player = id;
    node.dataset.away = isAway;
    card.dataset.state = !hasCard ? "none" : isUp ? "up" : "back";
    card.dataset.out = isOut;
    // Face down, the page itself holds no number of the others.
    face.replaceChildren(...(isUp && hasCard ? faceOf(code) : []));
    if (labelOf(code) !== "break") face.dataset.value = isUp && hasCard ? labelOf(code) : "";
    dots.hidden = hasCard || isUp || isAway;
    peek.hidden = !isMe || isUp || !hasCard;
    peek.replaceChildren(...(isMe && hasCard && !isUp ? faceOf(code) : []));
    name.textContent = isMe ? "You" : text;
    const word = isAway ? "away" : isUp ? (hasCard ? (isOut ? "furthest out" : "") : "no card")
      : hasCard ? (isMe ? "face down" : "has voted") : isMe ? "your turn" : "thinking";
    const spokenCard = isUp && hasCard ? `laid ${spokenOf(code)}` : isMe && hasCard ? `your card is ${spokenOf(code)}` : "";
    state.replaceChildren(word, spokenCard && el("span", { class: "vh", text: `${word ? ", " : ""}${spokenCard}` }));
  }

  return { node, show };
}

const faceOf = (code) => (labelOf(code) === "break" ? [icon("cup")] : [labelOf(code)]);

function showWatchers(node, watchers, player) {
  const names = watchers.map(({ id, name }) => (id === player ? "You" : name));
  node.hidden = names.length === 0;
  const shown = names.length > 3 ? [...names.slice(0, 2), `${names.length - 2} others`] : names;
  const list = shown.length > 1 ? `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}` : shown[0];
  const isOne = names.length === 1 && names[0] !== "You";
  const text = names.length > 0 ? `${list} ${isOne ? "is" : "are"} watching` : "";
  if (node.textContent.endsWith(text) && text) return;
  node.replaceChildren(el("span", { class: "stools" }, watchers.slice(0, 3).map(({ id, name }) => avatar(id, name))), el("span", { text }));
}

function spoken(players) {
  const { kind, card } = verdictOf(players);
  const sentence = { all: `All say ${card && spokenOf(card)}.`, most: `Mostly ${card && spokenOf(card)}.`, split: "Votes are split.", break: "Time for a break.", open: "Nobody knows yet." };
  return `The cards are up. ${sentence[kind]}`;
}
