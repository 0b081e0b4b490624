// The pages before the chat: signing in, and what stands in its way.

import { button, card, el, emptyState, field, icon, notice, sealMark } from "../../lib/ui.js";
import { ask } from "./backend.js";

export const entry = (...children) => el("main", { class: "stage one entry", id: "main" }, children);
const heading = () => el("h1", { class: "vh", text: "End-to-end chat" });
const main = (...children) => entry(heading(), children);

export function signInView({ done, sentence }) {
  const name = field("Your name", { autocomplete: "username", maxlength: "30", required: true });
  const password = field("Password", { type: "password", autocomplete: "current-password", maxlength: "200", required: true, hint: "At least 8 characters. It guards the account, not the messages." });
  const problem = el("div", { class: "problem", role: "alert" });
  const submit = async (path) => {
    problem.replaceChildren();
    try {
      await done(await ask("POST", path, { name: name.input.value, password: password.input.value }));
    } catch (error) {
      problem.replaceChildren(notice("bad", { title: error.message }));
      (name.input.value.trim() === "" ? name : password).input.focus();
    }
  };
  const form = el("form", { class: "card sign-in", on: { submit: (event) => { event.preventDefault(); submit("/accounts"); } } },
    name, password, problem,
    el("div", { class: "choices" }, button("Create an account", { kind: "primary", type: "submit" }),
      button("I have one: sign in", { kind: "quiet", press: () => submit("/sessions") })));
  return entry(
    el("div", { class: "hero" }, sealMark(),
      el("h1", { text: "Words for two" }),
      el("p", { text: "Two browsers agree on keys, seal each message, and open it once. The server passes it on, and keeps none." })),
    sentence && notice("info", { title: sentence, icon: "user" }),
    form,
    el("ul", { class: "facts" },
      fact("eye", "The server knows", "your name, who you talk to, when, and about how much."),
      fact("hidden", "It gets as ciphertext", "every word of your messages.")));
}

const fact = (name, title, text) => el("li", {}, icon(name), el("span", {}, el("b", { text: `${title} ` }), text));

export function plainView(title, text) {
  return main(card(title, el("p", { text })));
}

export function failedView(sentence) {
  return main(notice("bad", { title: sentence, text: "Load this page again.", action: { text: "Load again", press: () => location.reload() } }));
}

export function keyMissingView({ account, isUnread, make, signOut }) {
  const warning = isUnread && notice("warn", {
    title: "This browser’s storage could not be read",
    text: "Your key, and the keys of people you know, may still be in it. A new key makes every other one count as new.",
    action: { text: "Load again", press: () => location.reload() },
  });
  return main(warning, card("This browser has no key of yours",
    el("p", { class: "gap" }, `${account.name}’s key was made in another browser, and no browser hands it out. `,
      "Make a new one here: the other browser is signed off, and the people you know are asked to compare words again."),
    choices(button("Make a new key here", { kind: "primary", icon: "key", press: make }), button("Sign out", { kind: "quiet", press: signOut }))));
}

export function anotherBrowserView({ identity, useHere, signOut }) {
  return main(card("Another browser has made a new key",
    el("p", { class: "gap" }, `${identity.name} is signed in there with a key of its own. If that was you, go on there. `,
      el("b", { text: "If it was not you, somebody has your password: use this browser again, and tell your people." })),
    choices(button("Use this browser again", { kind: "primary", icon: "key", press: useHere }), button("Sign out", { kind: "quiet", press: signOut }))));
}

export function anotherTabView({ unsent, continueHere }) {
  return main(emptyState({
    mark: sealMark(),
    title: "The chat is open in another tab",
    text: unsent > 0
      ? `${unsent} unsent ${unsent === 1 ? "message waits" : "messages wait"} in this one. Keys of a session live in one tab only.`
      : "Keys of a session live in one tab only.",
    button: "Continue here",
    press: continueHere,
  }));
}

const choices = (...buttons) => el("div", { class: "choices" }, buttons);
