// The lines of a conversation: bubbles, and what did not open.

import { dayOf, el, icon, timeOf } from "../../lib/ui.js";

const some = (count, one, many) => (count === 1 ? one : many.replace("#", count));

const NOTES = {
  altered: (count) => [some(count, "One message did not open.", "# messages did not open."), some(count,
    "Its seal was broken on the way, so it isn’t shown.", "Their seals were broken on the way, so they aren’t shown.")],
  replayed: (count) => [some(count, "A message came a second time.", "# messages came a second time."), "Each opens once; the copy was refused."],
  old: (count) => [some(count, "A message came far too late.", "# messages came far too late."), "They were refused: nobody could tell them from copies."],
  missing: (count, name) => [some(count, "One message is missing.", "# messages are missing."), some(count, `It is still expected. Ask ${name} if it does not come.`, `They are still expected. Ask ${name} if they do not come.`)],
  shut: (count) => [some(count, "A message stayed shut.", "# messages stayed shut."), "The keys that sealed it are gone."],
  unproved: (count) => [some(count, "A handshake was refused.", "# handshakes were refused."), "It was altered on the way, so no keys came of it."],
  otherKey: () => ["A handshake with another key was refused.", "No message was sealed for that key."],
};

export function linesView({ sendAgain }) {
  const list = el("ol", { class: "msgs", aria: { live: "polite", label: "Messages" } });
  let shownConversation;
  let nodes = new Map(); // key of an item to { node, signature }

  function show(conversation, focus) {
    const { items, peer } = conversation;
    if (shownConversation !== conversation) {
      nodes = new Map();
      list.replaceChildren();
      list.setAttribute("aria-label", `Messages with ${peer.name}`);
    }
    const isFirst = shownConversation !== conversation;
    shownConversation = conversation;
    const next = new Map();
    items.list.forEach((item, i) => {
      const [before, after] = [items.list[i - 1], items.list[i + 1]];
      const context = contextOf(item, before, after, focus);
      const signature = JSON.stringify([item.version, context]);
      const known = nodes.get(item.key);
      const node = known?.signature === signature ? known.node : render(item, context, peer.name, !known && !isFirst);
      if (known && known.node !== node) known.node.replaceWith(node);
      next.set(item.key, { node, signature });
    });
    for (const [key, { node }] of nodes) if (!next.has(key)) node.remove();
    for (const { node } of next.values()) if (!node.isConnected) list.append(node);
    nodes = next;
  }

  function render(item, context, name, isNew) {
    const node = item.kind === "text" ? bubble(item, context, name) : note(item, name);
    if (isNew) node.classList.add("new");
    return node;
  }

  function bubble(item, { isTurn, isLast, isFocus }, name) {
    const classes = [item.isMine ? "mine" : "them", isTurn && "turn", isFocus && "focus",
      (item.state === "waiting" || item.state === "undelivered") && "wait"].filter(Boolean).join(" ");
    return el("li", { class: classes },
      el("span", { class: "vh", text: item.isMine ? "You: " : `${name}: ` }),
      el("p", { class: "bubble", text: item.text }),
      (isLast || isFocus || item.state === "undelivered") && el("p", { class: "meta" }, metaOf(item, isFocus)));
  }

  function metaOf(item, isFocus) {
    const time = timeOf(item.time);
    const state = {
      waiting: [" · ", icon("clock"), "waits here, sealed when it leaves"],
      sent: [" · sent"],
      opened: [" · ", el("span", { class: "open" }, icon("checks"), "opened")],
      undelivered: [" · not delivered · ", el("button", { class: "again", type: "button", on: { click: sendAgain } }, "Send again")],
    }[item.state] ?? [];
    return [isFocus && [el("span", { class: "wax" }, el("span", { class: "vh", text: "Message " }), String(item.n)), " · "], time, state];
  }

  return { node: list, show };
}

/** What a line looks like depends on its neighbours. */
function contextOf(item, before, after, focus) {
  const continues = (a, b) => a?.kind === "text" && b?.kind === "text" && a.isMine === b.isMine && b.time - a.time < 120_000 && a.state === b.state;
  return {
    isTurn: !(before?.kind === "text" && before.isMine === item.isMine),
    isLast: !continues(item, after),
    isFocus: Boolean(focus && item.n === focus.n && item.sid === focus.sid && item.isMine === focus.isMine && item.state !== "waiting"),
  };
}

function note({ reason, count, number, time }, name) {
  const [bold, text] = NOTES[reason](count, name);
  const which = number === undefined || reason === "altered" ? "" : ` Number ${number}.`;
  const isLoss = reason === "missing";
  return el("li", { class: "sys broken" }, icon(isLoss ? "warn" : "lock"),
    el("p", {}, el("b", { text: bold }), ` `, el("span", { text: text + which }), el("span", { class: "vh", text: ` ${timeOf(time)}` })));
}

export const dayLine = () => el("p", { class: "today", text: `${dayOf(new Date())}, in this tab only` });
