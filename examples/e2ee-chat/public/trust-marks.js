// How far a key is trusted, in words and a symbol: the same everywhere.

import { chip, el, icon } from "../../lib/ui.js";

const MARKS = {
  verified: { text: "verified", tone: "open", symbol: "shield" },
  unverified: { text: "not compared yet", tone: "warn", symbol: "eye" },
  changed: { text: "key changed", tone: "bad", symbol: "warn" },
  differs: { text: "words differ", tone: "bad", symbol: "warn" },
};

export function trustChip(trust) {
  const { text, tone, symbol } = MARKS[trust];
  return chip(text, tone, symbol);
}

export function trustLine(trust) {
  const { text, tone, symbol } = MARKS[trust];
  return el("small", { class: tone }, icon(symbol), el("span", { text }));
}
