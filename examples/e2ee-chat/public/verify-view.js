// /verify: compares the keys in a link with those of this browser. It asks no server, and sends nothing.

import { exportPublic } from "../../lib/crypto.js";
import { button, card, chip, el, icon } from "../../lib/ui.js";
import { matchesVerifyLink, readVerifyLink } from "../../lib/words.js";
import { entry } from "./entry-views.js";
import { Pins, PinsUnread } from "./pins.js";

export const CHANNEL_OF_TABS = "e2ee-chat-pins";

export function verifyView(store, fragment) {
  const place = entry();
  const heading = el("h1", { class: "vh", text: "Comparing keys" });
  const again = () => compare(store, fragment);
  const show = (result) => place.replaceChildren(heading, resultCard(result, { again, show }));
  again().then(show);
  return place;
}

async function compare(store, fragment) {
  try {
    const result = await compareWith(store, fragment);
    return result.kind === "unknown" && store.state === "forbidden" ? { kind: "unread" } : result;
  } catch (error) {
    if (error instanceof PinsUnread) return { kind: "unread" };
    throw error;
  }
}

async function compareWith(store, fragment) {
  const entries = readVerifyLink(fragment);
  if (entries?.length !== 2 || entries[0].id === entries[1].id) return { kind: "damaged" };
  for (const [id, pair] of await store.entries("pair/")) {
    const me = id.slice("pair/".length);
    const other = entries.find((entry) => entry.id !== me);
    if (!entries.some((entry) => entry.id === me)) continue;
    const pins = await Pins.open(store, me);
    const pin = pins.get(other.id);
    if (!pin) continue;
    const key = pin.offered ?? pin.key;
    const mine = { id: me, key: await exportPublic(pair.publicKey) };
    const isSame = await matchesVerifyLink(entries, [mine, { id: pin.id, key }]);
    return { kind: isSame ? "same" : "different", pins, pin, key };
  }
  return { kind: "unknown" };
}

function resultCard(result, tools) {
  const { kind, pin } = result;
  if (kind === "same") return sameCard(pin, tools);
  const [title, text] = {
    different: [`The keys differ`, `This browser knows another key of ${pin?.name}, or of you. Somebody may be in between. Tell each other nothing secret, and compare words.`],
    unknown: ["This browser cannot compare", "It has no key of these two people. Open the link in the browser you chat with."],
    unread: ["This browser cannot compare", "It could not read its storage, which holds the keys. Load this page again, outside of a private window."],
    damaged: ["This link is damaged", "A part after # is missing or was changed. Let the other phone show the code again."],
  }[kind];
  return card(title, el("div", { class: `verdict ${kind}` }, icon(kind === "different" ? "no" : "warn"), el("p", { text })), toChat());
}

function sameCard(pin, { again, show }) {
  const done = el("div", { role: "status" });
  const press = button(`Mark ${pin.name} as verified`, {
    kind: "primary", icon: "shield",
    press: async () => {
      // The chat may have seen another key since.
      const result = await again();
      if (result.kind !== "same") return show(result);
      await result.pins.verify(pin.id, result.key);
      const tabs = new BroadcastChannel(CHANNEL_OF_TABS);
      tabs.postMessage("changed");
      tabs.close();
      press.remove();
      done.replaceChildren(chip("verified", "open", "shield"), el("span", { text: ` ${pin.name} is verified in this browser.` }));
    },
  });
  return card("The keys are the same",
    el("div", { class: "verdict same" }, icon("shield"),
      el("p", { text: `Both browsers hold the same two keys. If ${pin.name} showed you this code in person, nobody is in between.` })),
    done, el("div", { class: "choices" }, press), toChat());
}

const toChat = () => el("p", { class: "gap" }, el("a", { href: "/", text: "To the chat" }));
