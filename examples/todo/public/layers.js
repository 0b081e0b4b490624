// The layers, in the words of the page.

export const LAYERS = [
  { id: "passes", icon: "clock", title: "Short-lived passes", text: "A pass lasts a minute and renews itself." },
  { id: "origins", icon: "globe", title: "Known pages only", text: "Another site’s page may not write here." },
  { id: "names", icon: "badge", title: "Signed names", text: "A pass for your list opens no other." },
  { id: "disk", icon: "disk", title: "Sealed on disk", text: "A stolen disk has no word of it." },
  { id: "passphrase", icon: "key", title: "Your passphrase", text: "Locked in this browser. There is no reset." },
];

/** Who can read the list: one sentence that changes with each switch. */
export function readersOf(layers) {
  if (layers.passphrase) {
    return { tone: "open", icon: "key", lead: "Only the passphrase opens this list.", text: "The server never had it." };
  }
  if (layers.disk) {
    return { tone: "accent", icon: "lock", lead: "Members and this server can read it.", text: "Disks and proxies cannot." };
  }
  return { tone: "warn", icon: "eye", lead: "The server, its database and its disk can read it.", text: "So can whoever copies them." };
}

export function knowledgeOf(layers, version) {
  const th = ordinal(version);
  if (layers.passphrase) {
    return {
      knows: `that this list has a ${th} version, its size, who wrote it, and when`,
      cannot: "a single word, or how many items are done, unless whoever serves this page changes it. Counting happens here",
    };
  }
  if (layers.disk) return { knows: `every word of the ${th} version: the server seals it`, cannot: "" };
  return { knows: `every word of the ${th} version, and the backend keeps a copy in its database`, cannot: "" };
}

export const captionOf = (layers, who) =>
  `${who} last change${layers.passphrase ? layers.disk ? ". The server puts its own seal around yours" : "" : layers.disk ? ". The server seals it on arrival" : ""}`;

function ordinal(number) {
  const ending = { one: "st", two: "nd", few: "rd", other: "th" }[new Intl.PluralRules("en", { type: "ordinal" }).select(number)];
  return `${number}${ending}`;
}
