// Members of a room, and comparing keys with one of them.

import { avatar, button, chip, dialog, el, field, icon, notice, toast } from "../../../lib/ui.js";
import { fingerprints, qr, verifyLink } from "../../../lib/words.js";
import { wordList } from "./pending.js";

/** Runs, and says in a toast why it did not work. */
export async function attempt(work, done) {
  try {
    await work();
    if (done) toast(done);
    return true;
  } catch (error) {
    toast(error.message, { icon: "warn" });
    return false;
  }
}

export function roomDialog(model, room) {
  const nameOf = (user) => model.people.nameOf(user);
  const isRoom = room.membership.kind === "room";
  const list = el("ul", { class: "members" }, [...room.membership.members.keys()].map((user) => member(user)));
  const add = field("Add by user name", { autocapitalize: "none", spellcheck: "false", maxlength: 20 });
  const form = el("form", { class: "addrow", on: { submit: async (event) => {
    event.preventDefault();
    const user = add.input.value.trim().toLowerCase();
    if (user && (await attempt(() => model.rooms.add(room, user), `${user} was added`))) close();
  } } }, add, button("Add", { type: "submit" }));
  const { close } = dialog({
    title: room.displayTitle(nameOf),
    lead: room.isMember
      ? `The present key is sealed to ${room.deviceCount} devices. Whoever is added reads from now on; whoever is removed opens nothing that is written later.`
      : "You are not in this room any more.",
    body: el("div", { class: "stack" }, list, isRoom && room.isMember && form),
    actions: isRoom && room.isMember
      ? [{ text: "Leave this room", kind: "bad", press: () => attempt(() => model.rooms.remove(room, model.user), "You left the room") }] : [],
  });

  function member(user) {
    const person = model.people.get(user);
    const isOwn = user === model.user;
    const isHere = model.here.get(room.id)?.has(user);
    const state = isOwn ? chip("you") : person?.alert ? chip("keys changed", "bad", "warn") : person?.isVerified ? chip("verified", "open", "check") : chip("not compared", "warn");
    return el("li", {}, avatar(user, nameOf(user), { isHere }),
      el("span", { class: "grow" }, el("b", { text: nameOf(user) }), el("small", { text: isHere ? `${user}, here` : user })), state,
      !isOwn && button("Compare", { low: true, label: `Compare keys with ${nameOf(user)}`, press: () => compareDialog(model, user) }),
      !isOwn && isRoom && room.isMember && button("Remove", { low: true, kind: "bad", label: `Remove ${nameOf(user)}`, press: async () => {
        if (await attempt(() => model.rooms.remove(room, user), `${nameOf(user)} was removed`)) close();
      } }));
  }
}

/** One line of words for each person's key, never one for both together. */
export async function compareDialog(model, user) {
  const person = model.people.get(user);
  const isChanged = Boolean(person.alert);
  const key = (person.offered ?? person.chain).root;
  const own = model.people.get(model.user).chain.root;
  const nameOf = (id) => (id === model.user ? "You" : model.people.nameOf(id));
  const people = [{ id: model.user, key: own }, { id: user, key }];
  const [lines, link] = [await fingerprints(people), await verifyLink(new URL("/verify", location.href), people)];
  const words = lines.map(({ id, words: list }) => el("div", { class: "person" },
    el("h3", {}, nameOf(id), el("small", { text: ` ${id}` })), wordList(list, `Words of ${id}`)));
  const figure = el("figure", {}, el("div", { class: "qr" }, qr(link, "A link that compares these keys, for the other phone’s camera")),
    el("figcaption", { text: "Or let the other phone’s camera open this." }));
  dialog({
    title: "Do you both see these words?",
    lead: "Call, or meet. Read them to each other: both screens show the same two lines. Do not send them here.",
    body: el("div", { class: "compare" }, el("div", { class: "stack" }, isChanged && notice("bad", { title: "These keys are new", text: "They are not those that this browser knew." }), words), figure),
    actions: [
      { text: "They match", kind: "primary", press: () => attempt(async () => {
        if (isChanged || needsRekey(model, user)) await model.acceptKeys(user, key);
        await model.people.verify(user, key);
      }, `${model.people.nameOf(user)} is verified`) },
      ...(isChanged ? [{ text: "Accept without comparing", press: () => attempt(() => model.acceptKeys(user, key)) }] : []),
      { text: "Not now", kind: "quiet" },
    ],
    foot: [icon("shield"), el("span", { text: "On first use nobody is verified: the server could have swapped the keys. The words tell." })],
  });
}

const needsRekey = (model, user) => [...model.rooms.all.values()].some(({ membership }) => {
  const member = membership.members.get(user);
  return member && member.root !== model.people.get(user).chain.root;
});
