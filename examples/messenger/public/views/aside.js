// The card beside the talk: who belongs to the room, and what changed last.

import { card, chip, el } from "../../../lib/ui.js";
import { memberLine } from "../timeline.js";

const NUMBERS = ["Nobody", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"];

export function roomCard(model, room) {
  if (!room) return [];
  if (["reconnecting", "offline", "refused"].includes(model.line.name)) {
    const count = model.outbox.items.length;
    const waiting = card("Go on writing", el("p", { text: count === 0 ? "What you write waits in this browser, under a key that stays here."
      : `You may close this tab, too. ${count === 1 ? "The message leaves" : `The ${count} messages leave`} when it is opened again.` }));
    waiting.classList.add("print");
    return [waiting];
  }
  const count = room.membership.members.size;
  const here = [...(model.here.get(room.id) ?? [])].filter((user) => room.membership.members.has(user)).length;
  const nameOf = (user, isSubject) => (user === model.user ? (isSubject ? "You" : "you") : model.people.nameOf(user));
  const last = room.timeline.items.findLast(({ type }) => type === "member");
  const section = card(`${NUMBERS[count] ?? count} in this room`, el("p", {},
    last && last.op !== "create" ? `${memberLine(last, nameOf)}. The room got a new key that minute.` : "Each message is sealed to the devices of these members.",
    ` The present key is for ${room.deviceCount} device${room.deviceCount === 1 ? "" : "s"}.`));
  section.classList.add("print");
  section.querySelector(".head").append(chip(`${here} here`, "open"));
  return [section];
}

