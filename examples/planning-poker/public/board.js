// The middle of the table: the story, how many have voted, and what the cards say.

import { button, el, field, iconButton } from "/lib/ui.js";
import { labelOf, NO_CARD, spokenOf, verdictOf } from "./deck.js";
import { MAX_STORY, playersOf, trimmed } from "./table.js";

export function boardView({ player, actions }) {
  const title = el("h1");
  const edit = iconButton("pen", "Change the story", () => editStory(true));
  const story = field("What do you estimate?", { isHidden: true, maxlength: MAX_STORY, autocomplete: "off", placeholder: "A story, in a few words" });
  const form = el("form", { class: "story", on: { submit: saveStory } }, el("h1", { text: "What do you estimate?" }), story, button("Lay it out", { type: "submit" }));
  const count = el("p", { class: "count", aria: { live: "polite" } });
  const verdict = el("div", { class: "verdict" });
  const ask = el("p", { class: "ask" });
  const turn = button("Turn the cards", { press: () => actions.turn() });
  const take = button("", { press: () => actions.take(shown.card) });
  const again = button("Vote again", { kind: "ghost", press: () => actions.again() });
  const row = el("div", { class: "row" }, turn, take, again);
  const node = el("div", { class: "board" }, el("div", { class: "title" }, title, edit), form, count, verdict, ask, row);
  let shown = {};
  let isEditing = false;
  let table;

  function saveStory(event) {
    event.preventDefault();
    const text = trimmed(story.input.value, MAX_STORY);
    if (text === "") return story.input.focus();
    isEditing = false;
    story.input.value = "";
    actions.story(text);
  }

  function editStory(isOn) {
    isEditing = isOn;
    story.input.value = table.story;
    show(shown.view);
    story.input.focus();
  }

  /** A button that goes must not take the focus with it. */
  function keepFocus(change) {
    const had = node.contains(document.activeElement) && document.activeElement;
    change();
    if (!had || (had.isConnected && had.checkVisibility())) return;
    [take, again, turn, story.input].find((one) => one.checkVisibility() && !one.disabled)?.focus();
  }

  function show(view) {
    table = view.table;
    const players = playersOf(table);
    const isAway = ({ id }) => view.here !== null && !view.here.has(id);
    const laid = players.filter(({ card }) => card !== NO_CARD);
    const expected = players.filter((seat) => seat.card !== NO_CARD || !isAway(seat));
    const isUp = table.up === 1;
    const result = isUp ? verdictOf(players) : {};
    shown = { view, card: result.card };
    keepFocus(() => {
      const wantsStory = isEditing || (table.story === "" && !isUp);
      form.hidden = !wantsStory;
      title.parentElement.hidden = wantsStory;
      title.textContent = table.story || "Without a story";
      edit.hidden = isUp;
      count.hidden = isUp || players.length === 0 || (wantsStory && laid.length === 0);
      write(count, el("b", { text: `${laid.length} of ${expected.length}` }), expected.length === 1 ? " has voted" : " have voted");
      turn.hidden = isUp || laid.length === 0;
      showVerdict(isUp, result);
      take.hidden = !isUp || !result.card;
      take.textContent = result.card ? `Take the ${labelOf(result.card)}` : "";
      again.hidden = !isUp;
    });
  }

  function showVerdict(isUp, { kind, card, bars = [], furthest }) {
    verdict.hidden = !isUp;
    ask.hidden = !isUp;
    if (!isUp) return verdict.replaceChildren();
    const most = Math.max(...bars.map(({ count: number }) => number));
    const heading = { all: "All say", most: "Mostly", split: "Split, up to", break: "Time for", open: "Nobody knows" }[kind];
    const value = { break: "a break", open: "yet" }[kind] ?? labelOf(card);
    write(verdict,
      el("p", { class: card ? "big" : "big words" }, el("small", { text: heading }), value),
      el("ol", { class: "spread", aria: { label: "Spread of the votes" } }, bars.map((bar) => barOf(bar, most, bar.card === card))));
    const name = table.seats.find(({ id }) => id === furthest)?.name;
    const texts = {
      all: ["No discussion needed."], split: ["Low and high: one sentence each?"], break: [], open: ["What would you have to know?"],
      most: !furthest ? [] : furthest === player ? [el("b", { text: "You" }), " are furthest out. What do you see?"]
        : [el("b", { text: name }), ", what do you see that the others don’t?"],
    };
    ask.replaceChildren(...texts[kind]);
    ask.hidden = texts[kind].length === 0;
  }

  return { node, show };
}

function barOf({ card, count }, most, isTop) {
  const bar = el("i");
  bar.style.setProperty("--share", count / most);
  const label = labelOf(card) === "break" ? "pause" : labelOf(card);
  return el("li", { class: isTop ? "top" : "" }, bar, el("span", { aria: { hidden: true }, text: label }),
    el("span", { class: "vh", text: `${spokenOf(card)}: ${count} ${count === 1 ? "vote" : "votes"}` }));
}

/** Writes only what is new: a live region speaks at each change. */
function write(node, ...children) {
  const next = el("div", {}, ...children);
  if (node.textContent === next.textContent && node.childElementCount === next.childElementCount) return;
  node.replaceChildren(...next.childNodes);
}
