// The table and its changes. Each change may come twice or late, and then alters nothing.

import { isCard, NO_CARD } from "./deck.js";

export const MAX_NAME = 24;
export const MAX_STORY = 120;
export const MAX_SEATS = 24;
const MAX_STORIES = 40;
const ID = /^[0-9a-f]{8,32}$/;

export const emptyTable = () => ({ round: 1, up: 0, story: "", seats: [], stories: [], closed: 0 });

export const trimmed = (text, length) => [...String(text).replace(/\s+/g, " ").trim()].slice(0, length).join("");

const isText = (value, length) => typeof value === "string" && [...value].length <= length;
const isFlag = (value) => value === 0 || value === 1;

/** Who has the link can seal anything: what the page does not know the form of is refused. */
export function checkTable(table) {
  const isGood = Number.isSafeInteger(table?.round) && table.round > 0 && isFlag(table.up) && isFlag(table.closed)
    && isText(table.story, MAX_STORY)
    && Array.isArray(table.seats) && table.seats.length <= MAX_SEATS && table.seats.every(isSeat)
    && new Set(table.seats.map(({ id }) => id)).size === table.seats.length
    && Array.isArray(table.stories) && table.stories.length <= MAX_STORIES && table.stories.every(isStory);
  if (!isGood) throw new TypeError("this is no table");
  return table;
}

const isVote = (card) => card === NO_CARD || isCard(card);
const isId = (id) => typeof id === "string" && ID.test(id);
const isSeat = (seat) => isId(seat?.id) && isText(seat.name, MAX_NAME) && seat.name !== "" && isFlag(seat.watches) && isVote(seat.card);
const isStory = (story) => isId(story?.id) && isText(story.title, MAX_STORY) && isVote(story.card);

const CHANGES = {
  sit(table, { player, name, watches }) {
    if (!name) return;
    const seat = table.seats.find(({ id }) => id === player);
    if (seat) Object.assign(seat, { name, watches, card: watches ? NO_CARD : seat.card });
    else if (table.seats.length < MAX_SEATS) table.seats.push({ id: player, name, watches, card: NO_CARD });
  },
  leave(table, { player }) {
    table.seats = table.seats.filter(({ id }) => id !== player);
  },
  vote(table, { player, round, card }) {
    const seat = table.seats.find(({ id }) => id === player);
    if (seat && !seat.watches && table.round === round) seat.card = card;
  },
  turn(table, { round }) {
    if (table.round === round && table.seats.some(({ card }) => card !== NO_CARD)) table.up = 1;
  },
  again(table, { round, gone }) {
    if (table.round === round) deal(table, gone);
  },
  take(table, { id, round, card, gone }) {
    if (table.round !== round || table.up === 0) return;
    table.stories = [...table.stories, { id, title: table.story || `Story ${table.stories.length + 1}`, card }].slice(-MAX_STORIES);
    table.story = "";
    deal(table, gone);
  },
  story(table, { round, title }) {
    if (table.round === round) table.story = title;
  },
  close(table) {
    Object.assign(table, { ...emptyTable(), round: table.round + 1, closed: 1 });
  },
};

/** A new round; who has left for good gives the seat away. */
function deal(table, gone = []) {
  table.round += 1;
  table.up = 0;
  table.seats = table.seats.filter(({ id }) => !gone.includes(id));
  for (const seat of table.seats) seat.card = NO_CARD;
}

/** Alters and returns `table`. Nothing changes a closed table. */
export function applyChange(table, change) {
  if (table.closed === 0 && Object.hasOwn(CHANGES, change.kind)) CHANGES[change.kind](table, change);
  return table;
}

/** A card of a round that is over, or not yet there. */
export const isTooLate = (table, { kind, round }) => kind === "vote" && table.round !== round;

export const playersOf = (table) => table.seats.filter(({ watches }) => !watches);
export const watchersOf = (table) => table.seats.filter(({ watches }) => watches);
export const seatOf = (table, player) => table.seats.find(({ id }) => id === player);
/** Watchers have seats, too. */
export const isFullFor = (table, player) => table.seats.length >= MAX_SEATS && !seatOf(table, player);
