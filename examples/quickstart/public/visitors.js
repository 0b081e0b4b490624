// Who is here: a presence channel, whose names are not sealed.

import { announce, avatar, button, card, chip, el, field } from "/lib/ui.js";

const LOG_LENGTH = 3;
/** A change of name is a leave and a join. */
const RENAME_MS = 400;

export function visitorsCard({ pusher, channel, me, onRename }) {
  const count = el("span", { class: "chip", text: "0" });
  const people = el("ul", { class: "people", aria: { label: "People here" } });
  const log = el("ul", { class: "log", hidden: true, aria: { label: "Who came and went" } });
  const name = field("Your name", { name: "name", maxlength: 40, required: true, autocomplete: "off", spellcheck: "false", value: me.name });
  const change = button("Change", { type: "submit", disabled: true });
  const form = el("form", { class: "name-form", on: { submit: rename } }, name, change);
  const node = card("Who is here", people, form, log);
  node.querySelector(".head").append(count);

  const leaving = new Map();
  let presence;

  function join() {
    presence = pusher.subscribe(channel);
    presence.bind("pusher:subscription_succeeded", show);
    presence.bind("pusher:member_added", ({ id, info }) => {
      show(presence.members);
      const before = leaving.get(id);
      clearTimeout(before?.timer);
      leaving.delete(id);
      if (!before) note(`${nameOf(info)} joined`);
      else if (before.name !== nameOf(info)) note(`${before.name} is now ${nameOf(info)}`);
    });
    presence.bind("pusher:member_removed", ({ id, info }) => {
      show(presence.members);
      const timer = setTimeout(() => {
        leaving.delete(id);
        note(`${nameOf(info)} left`);
      }, RENAME_MS);
      leaving.set(id, { name: nameOf(info), timer });
    });
    // The token's end: come again with a new one.
    presence.bind("pusher:subscription_error", ({ type }) => type === "AuthExpired" && rejoin());
  }

  function rejoin() {
    pusher.unsubscribe(channel);
    join();
  }

  function show(members) {
    const list = [];
    members?.each(({ id, info }) => list.push({ id, name: nameOf(info), role: roleOf(info), isOwn: id === me.id }));
    list.sort((a, b) => b.isOwn - a.isOwn || a.name.localeCompare(b.name));
    count.textContent = list.length;
    people.replaceChildren(...list.map(({ id, name: text, role, isOwn }) =>
      el("li", { class: "person", data: { own: isOwn } }, avatar(id, text), el("span", { class: "who", text }), role && chip(role), isOwn && chip("you"))));
  }

  function note(sentence) {
    log.prepend(el("li", { text: sentence }));
    while (log.children.length > LOG_LENGTH) log.lastElementChild.remove();
    log.hidden = false;
    announce(sentence);
  }

  function rename(event) {
    event.preventDefault();
    const next = name.input.value.trim();
    if (!next || next === me.name || !presence.subscribed) return;
    me.name = next;
    onRename();
    rejoin();
    announce(`You are now ${next}`);
  }

  join();
  return { node, rejoin, enable(isOn) {
    change.disabled = !isOn;
    if (!isOn) show(null);
  } };
}

const nameOf = (info) => (typeof info?.name === "string" ? info.name.trim().slice(0, 40) : "") || "someone";
const roleOf = (info) => (["staff", "guest"].includes(info?.role) ? info.role : "");
