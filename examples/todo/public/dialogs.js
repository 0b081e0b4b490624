// The dialogs: a new passphrase, people, the name of the list.

import { announce, avatar, button, copyButton, dialog, el, field, notice } from "../../lib/ui.js";
import { isWeakPassphrase, proposePassphrase } from "../../lib/words.js";
import { ask } from "./backend.js";

/** Resolves with a passphrase, or null. */
export function askNewPassphrase() {
  return new Promise((resolve) => {
    const proposed = proposePassphrase();
    const input = field("Passphrase", { value: proposed, autocomplete: "off", spellcheck: "false", autocapitalize: "off", rows: 2 });
    const weak = el("p", { class: "hint", role: "status" });
    const judge = () => {
      const text = input.input.value.trim();
      weak.textContent = text.length < 8 ? "At least 8 characters." : isWeakPassphrase(text)
        ? "This is shorter than seven words of chance: whoever runs the server can try guesses." : "Seven words of chance: 77 bits. Nobody guesses them.";
      weak.classList.toggle("bad", isWeakPassphrase(text));
    };
    input.input.addEventListener("input", judge);
    judge();
    let chosen = null;
    dialog({
      title: "Lock the list with a passphrase",
      lead: "There is no reset. Who forgets it loses the list, and nobody can help. Write it down first, and tell the others outside of this page.",
      body: el("div", { class: "stack" }, input, weak, el("div", { class: "row" }, copyButton(() => input.input.value.trim(), "Copy it", { low: true }),
        button("Other words", { low: true, icon: "retry", press: () => {
          input.input.value = proposePassphrase();
          judge();
        } }))),
      actions: [
        { text: "I have it. Lock", kind: "primary", press: () => {
          const text = input.input.value.trim();
          if (text.length < 8) {
            announce("At least 8 characters.");
            return false;
          }
          chosen = text;
        } },
        { text: "Not now", kind: "quiet" },
      ],
      onClose: () => resolve(chosen),
    });
  });
}

/** The place of the list while its key is missing or wrong. */
export function lockPanel({ room }) {
  const node = el("section", { class: "card lock", hidden: true, aria: { label: "Locked list" } });
  let shown = null;
  const texts = {
    missing: ["This list is locked", "Type its passphrase. Ask a member for it: it is in no link, and on no server."],
    wrong: ["This passphrase does not open the list", "Nothing was written. Look at each word, and type it again."],
    changed: ["The lock of this list is another one now", "It does not have the salt or the rounds that this browser knows. Ask the others first. If they set a new passphrase, type it; else close this page. Nothing is written meanwhile."],
    weak: ["This list asks for a weak lock", "Somebody has changed how its key is made. The page derives no key from such settings, and writes nothing. Tell the owner."],
    spoiled: ["The newest version does not open", "What lies on the server is no version of this list. Open it on a device that had it: that device writes it back."],
    dropped: ["The passphrase was taken off this list", "A member did that, or the server. Ask the others first. If you go on, this page shows and writes the list without your lock. Nothing is written meanwhile."],
    nothing: ["The server has no version of this list", "Open the list on a device that had it: that device writes it back."],
  };

  function build(kind) {
    const [title, text] = texts[kind];
    const isAsked = ["missing", "wrong", "changed"].includes(kind);
    const input = isAsked && field("Passphrase", { type: "password", autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
    const submit = isAsked && button("Open the list", { kind: "primary", type: "submit" });
    const form = isAsked && el("form", { class: "stack" }, input, submit);
    if (form) {
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        submit.disabled = true;
        try {
          if (!(await room().unlock(input.input.value.trim()))) show("wrong");
        } catch {
          // The room tells why, and `show` follows it.
        } finally {
          submit.disabled = false;
        }
      });
    }
    const action = kind === "dropped" ? { text: "Go on without it", press: () => room().goOnOpen() } : undefined;
    node.replaceChildren(el("h1", { class: "vh", text: "Locked list" }), notice(kind === "missing" ? "info" : "bad", { title, text, action, icon: kind === "missing" ? "key" : "lock" }), form || "");
    if (kind === "wrong") input.input.focus();
  }

  function show(kind) {
    node.hidden = !kind;
    if (kind === shown || (kind === "missing" && shown === "wrong")) return;
    shown = kind;
    if (kind) build(kind);
  }
  return { node, show };
}

export async function sharePeople({ room, rename }) {
  const { list, me } = room().model;
  const fresh = await ask("GET", `/lists/${list.id}`);
  const body = el("div", { class: "stack" });
  const isOwner = list.owner === me.id;
  const title = field("Name of the list", { value: room().shown().title, maxlength: 80, autocomplete: "off" });
  title.input.addEventListener("change", () => rename(title.input.value));
  const problem = el("p", { class: "hint bad", role: "status" });
  const link = (invite) => `${location.origin}/#join=${list.id}.${invite}`;
  const invitation = fresh.invite && field("Invitation", { value: link(fresh.invite), readonly: true });
  /** With a removal the invitation changes, as whoever is out may still have it. */
  async function remove({ id, name }, line) {
    problem.textContent = "";
    try {
      await ask("DELETE", `/lists/${list.id}/members/${id}`);
      line.remove();
      announce(`${name} is out`);
      invitation.input.value = link((await ask("GET", `/lists/${list.id}`)).invite);
    } catch (error) {
      problem.textContent = error.message;
    }
  }
  const people = el("ul", { class: "people" }, fresh.members.map(({ id, name }) => {
    const line = el("li", {}, avatar(id, name), el("span", { class: "grow", text: id === me.id ? `${name} (you)` : name }));
    if (isOwner && id !== me.id) {
      line.append(button("Remove", { low: true, kind: "bad", label: `Remove ${name}`, press: () => remove({ id, name }, line) }));
    }
    return line;
  }));
  body.append(title, el("h3", { text: "People" }), people, problem);
  if (invitation) {
    body.append(invitation, el("div", { class: "row" }, copyButton(() => invitation.input.value, "Copy link", { low: true })),
      el("p", { class: "hint", text: list.layers.passphrase ? "The passphrase is not in it: tell it yourself." : "Whoever has this link can join." }));
  } else {
    body.append(el("p", { class: "hint", text: "The owner invites and removes." }));
  }
  dialog({ title: "People and invitation", body, actions: [{ text: "Done", kind: "primary" }] });
}
