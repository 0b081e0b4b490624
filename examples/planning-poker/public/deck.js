// The cards, and what a set of cards says. A vote is two digits, so that no card is longer than another.

export const CARDS = ["0", "½", "1", "2", "3", "5", "8", "13", "?", "break"];
export const NO_CARD = "--";

const NUMBERS = 8;
const VALUES = [0, 0.5, 1, 2, 3, 5, 8, 13];

export const codeOf = (label) => String(CARDS.indexOf(label)).padStart(2, "0");
export const isCard = (code) => typeof code === "string" && /^\d\d$/.test(code) && Number(code) < CARDS.length;
export const labelOf = (code) => CARDS[Number(code)];
export const spokenOf = (code) => ({ "?": "not sure", break: "a break, please", "½": "one half" })[labelOf(code)] ?? labelOf(code);
export const isNumber = (code) => isCard(code) && Number(code) < NUMBERS;

export const sumOf = (codes) => codes.filter(isNumber).reduce((sum, code) => sum + VALUES[Number(code)], 0);

/** `votes`: [{ id, card }]. The likeliest number, the bars of the spread, and the one player furthest away. */
export function verdictOf(votes) {
  const laid = votes.filter(({ card }) => isCard(card));
  const counts = new Map();
  for (const { card } of laid) counts.set(card, (counts.get(card) ?? 0) + 1);
  const bars = [...counts].map(([card, count]) => ({ card, count })).sort((a, b) => (a.card < b.card ? -1 : 1));
  const numbers = bars.filter(({ card }) => isNumber(card));
  if (numbers.length === 0) return { kind: laid.length > 0 && bars.every(({ card }) => labelOf(card) === "break") ? "break" : "open", bars };
  const most = Math.max(...numbers.map(({ count }) => count));
  const tops = numbers.filter(({ count }) => count === most);
  // Of two equally likely ones the higher: an estimate is seldom too large.
  const card = tops.at(-1).card;
  const kind = bars.length === 1 ? "all" : tops.length > 1 ? "split" : "most";
  return { kind, card, bars, furthest: kind === "most" ? furthestFrom(card, laid) : null };
}

/** Two steps at least, and nobody else as far: one question is for one person. */
function furthestFrom(card, laid) {
  const far = laid.filter((vote) => isNumber(vote.card))
    .map(({ id, card: own }) => ({ id, distance: Math.abs(Number(own) - Number(card)) }))
    .sort((a, b) => b.distance - a.distance);
  const [first, second] = far;
  return first && first.distance >= 2 && first.distance !== second?.distance ? first.id : null;
}
