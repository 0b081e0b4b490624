// Log in, or make an account.

import { button, el, field, NOTICES, notice, sealMark } from "../../../lib/ui.js";

export function enterView({ sentence, storageState, logIn, register }) {
  let isNew = false;
  const user = field("User name", { autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: 20, required: true, hint: "Small letters, digits and _" });
  const name = field("Your name, as others see it", { autocomplete: "name", maxlength: 40 });
  const password = field("Password", { type: "password", autocomplete: "current-password", maxlength: 200, required: true });
  const answer = el("div", { class: "answer", "aria-live": "polite" });
  const submit = button("Log in", { kind: "primary", type: "submit" });
  const other = button("Make an account", { kind: "quiet", press: () => choose(!isNew) });
  const heading = el("h1", { text: "Log in" });
  const form = el("form", { class: "entry", on: { submit: send } },
    heading, el("p", { class: "dim", text: "Message contents reach the server as ciphertext only." }),
    user, name, password, answer, el("div", { class: "foot" }, submit, other));
  if (sentence) answer.append(notice("warn", { title: sentence }));
  if (storageState !== "kept") form.prepend(NOTICES.storage(storageState));
  if (!globalThis.isSecureContext) form.prepend(notice("bad", { title: "This page needs https or localhost", text: "Browsers encrypt nowhere else. Start the server with --tls." }));
  choose(false);

  function choose(next) {
    isNew = next;
    name.hidden = !isNew;
    heading.textContent = isNew ? "Make an account" : "Log in";
    submit.textContent = isNew ? "Make the account" : "Log in";
    other.textContent = isNew ? "I have an account" : "Make an account";
    password.input.autocomplete = isNew ? "new-password" : "current-password";
  }

  async function send(event) {
    event.preventDefault();
    submit.disabled = true;
    answer.replaceChildren();
    const [who, secret] = [user.input.value.trim().toLowerCase(), password.input.value];
    try {
      await (isNew ? register(who, secret, name.input.value.trim() || who) : logIn(who, secret));
    } catch (error) {
      answer.replaceChildren(notice("bad", { title: error.message }));
    } finally {
      submit.disabled = false;
    }
  }

  const node = el("main", { class: "stage one enter", id: "main" }, el("div", { class: "crest" }, sealMark()), el("section", { class: "card" }, form));
  return { node, phase: "enter", update: () => {} };
}

export const centred = (title, ...children) =>
  el("main", { class: "stage one enter", id: "main" }, el("section", { class: "card" }, el("h1", { text: title }), children));
