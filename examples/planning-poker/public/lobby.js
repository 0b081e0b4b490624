// The pages before and after the table: home, the question for a name, closed, a link that does not work.

import { button, el, emptyState, field, NOTICES, sealMark } from "/lib/ui.js";
import { MAX_NAME, MAX_SEATS, playersOf, trimmed } from "./table.js";

const fan = () => el("div", { class: "fan", aria: { hidden: true } },
  Array.from({ length: 5 }, () => el("span", { class: "pcard", data: { state: "back" } }, el("span", { class: "sides" }, el("span", { class: "back" }, sealMark())))));

const lobby = (...children) => el("div", { class: "felt lobby" }, el("div", { class: "welcome" }, children));

export const homePage = (open) => lobby(
  fan(), el("h1", { text: "Estimate together" }),
  el("p", { text: "Names, stories and cards are sealed in your browser. They reach the server as ciphertext only." }),
  button("Open a table", { press: open }));

const LOOKING = { idle: "Looking at the table …", early: "Looking at the table, then you are in …" };

export function joinPage({ join, leave }) {
  const name = field("Your name", { maxlength: MAX_NAME, autocomplete: "nickname", required: true });
  const people = el("p", { class: "people", aria: { live: "polite" } });
  let isReady = false;
  // What was pressed while the table was on its way. Enter is pressed before anybody looks.
  let early = null;
  const sit = (watches) => {
    if (!isReady) {
      early = watches;
      people.textContent = LOOKING.early;
      return;
    }
    early = null;
    const text = trimmed(name.input.value, MAX_NAME);
    if (text === "") return name.input.focus();
    join(text, watches);
  };
  const ways = [button("Sit down", { type: "submit" }), button("Just watch", { kind: "ghost", press: () => sit(1) })];
  const form = el("form", { on: { submit: (event) => (event.preventDefault(), sit(0)) } }, name,
    el("div", { class: "row" }, ways));
  const node = lobby(fan(), el("h1", { text: "Take a seat" }), people, form, button("Leave", { kind: "ghost", low: true, press: leave }));
  return {
    node,
    focus: () => name.input.focus(),
    show({ table, isLoaded, isShut }) {
      isReady = isLoaded && !isShut;
      form.hidden = isShut;
      const names = playersOf(table).map((seat) => seat.name);
      const list = names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${names.length - 2} others` : names.join(" and ");
      const text = isShut ? "This table does not open with the key of your link." : !isLoaded ? LOOKING[early === null ? "idle" : "early"]
        : table.seats.length >= MAX_SEATS ? `All ${MAX_SEATS} seats are taken. You can come in, and get the next free one.`
        : names.length === 0 ? "The table is empty. If you expected people, check that the link is whole." : `${list} ${names.length === 1 ? "is" : "are"} at the table.`;
      if (people.textContent !== text) people.textContent = text;
      if (isReady && early !== null) sit(early);
    },
  };
}

export const closedPage = (open) => el("div", {}, el("h1", { class: "vh", text: "Closed" }), emptyState({
  title: "This table is closed", text: "Somebody closed it for all. The server drops its sealed older versions 5 minutes after the last tab has left.", button: "Open another table", press: open, mark: sealMark(),
}));

export function doubtPage({ putBack, leave }) {
  const box = emptyState({
    title: "The server has no such table any more", text: "While this tab was away, the table has expired, or somebody has closed it for all. Put it back only if nobody wanted it closed.",
    button: "Put it back", press: putBack, mark: sealMark(),
  });
  box.append(button("Leave", { kind: "quiet", press: leave }));
  return el("div", {}, el("h1", { class: "vh", text: "Table not there" }), box);
}

export const brokenLinkPage = (open) => el("div", { class: "lonely" },
  el("h1", { text: "No way in" }), NOTICES.keyMissing("The part after # is not a whole key. Ask for the link again, and copy all of it."),
  button("Open a table of your own", { press: open }));

export const refusedPage = (retry) => el("div", {}, el("h1", { class: "vh", text: "No way in" }), emptyState({
  title: "No seat right now", text: "Your key is still in this tab. Try again in a moment.", button: "Try again", press: retry, mark: sealMark(),
}));

export const insecurePage = () => el("div", { class: "lonely" },
  el("h1", { text: "No way in" }), NOTICES.refused("Browsers encrypt only on secure pages", "Open this page as https, or as localhost on this machine. server.mjs --tls serves https."));
