// The bar at the top, the line under it, and the states that all examples share.

import { announce, prepareRegions } from "./dialog.js";
import { el, icon, sealMark } from "./dom.js";
import { button, iconButton } from "./parts.js";

const WORDS = {
  empty: "Ready", loading: "Loading", live: "Live", reconnecting: "Reconnecting", offline: "Offline", refused: "Refused",
};

export function pageBar({ app, title = app, actions = [] }) {
  prepareRegions();
  const word = el("span", { text: WORDS.loading });
  const state = el("p", { class: "state", role: "status", data: { state: "loading" } }, el("span", { class: "dot", aria: { hidden: true } }), word);
  const brand = el("p", { class: "brand" }, sealMark(), el("span", { text: "Sealcast" }), el("span", { text: title }));
  const node = el("header", { class: "bar" }, el("div", { class: "bar-in" }, brand, el("span", { class: "grow" }), actions, themeSwitch(), state));
  const line = el("section", { class: "line", hidden: true, aria: { label: "Connection" } });
  let timer;

  function set(name, details = {}) {
    if (!Object.hasOwn(WORDS, name)) throw new TypeError(`there is no state "${name}"`);
    clearInterval(timer);
    const wasAway = ["reconnecting", "offline"].includes(state.dataset.state);
    state.dataset.state = name;
    if (word.textContent !== WORDS[name]) word.textContent = WORDS[name];
    if (wasAway && name === "live") announce("Live again");
    showLine(name, details);
  }

  function showLine(name, { retryAt, retry, queued = 0, noun = "message", sentence }) {
    line.hidden = !["reconnecting", "offline", "refused"].includes(name);
    line.dataset.state = name;
    if (line.hidden) return line.replaceChildren();
    const waiting = queued > 0 ? ` ${queued} ${noun}${queued === 1 ? " waits" : "s wait"} here.` : "";
    const text = el("span");
    const again = retry && button("Try now", { low: true, press: retry });
    line.replaceChildren(el("span", {}, el("b", { text: lead(name, sentence) }), text), ...(again ? [again] : []));
    const tell = () => {
      const seconds = retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : undefined;
      const next = seconds === undefined ? "" : seconds === 0 ? " Trying now." : ` Next try in ${seconds} s.`;
      text.textContent = next + waiting;
    };
    tell();
    if (!retryAt) return;
    line.style.setProperty("--wait", `${Math.max(0, retryAt - Date.now())}ms`);
    timer = setInterval(tell, 500);
  }

  return { node, line, set, get state() { return state.dataset.state; } };
}

const lead = (name, sentence) =>
  ({ reconnecting: "No connection.", offline: "You are offline.", refused: sentence ?? "The server refused this page." })[name];

function themeSwitch() {
  const root = document.documentElement;
  const isDark = () => root.dataset.theme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const node = iconButton("moon", "Dark theme", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("sealcast-theme", root.dataset.theme);
    } catch {
      // Storage is forbidden: for this visit only.
    }
    show();
  });
  const show = () => {
    node.replaceChildren(icon(isDark() ? "sun" : "moon"));
    node.setAttribute("aria-pressed", isDark());
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
  return node;
}

/* ---- notices ------------------------------------------------------------------------------ */

export function notice(kind, { title, text, code, action, icon: name }) {
  const tone = { info: "", warn: "warn", bad: "bad" }[kind];
  if (tone === undefined) throw new TypeError(`a notice is "info", "warn" or "bad", not "${kind}"`);
  const symbol = name ?? { info: "clock", warn: "warn", bad: "no" }[kind];
  return el("div", { class: `notice ${tone}`.trim(), role: "status" }, icon(symbol),
    el("div", {}, el("b", { text: title }), text && el("p", {}, text, code && [" ", el("code", { text: code })]),
      action && button(action.text, { low: true, press: action.press })));
}

export const NOTICES = {
  offline: (count = 0) => notice("info", {
    title: "You are offline",
    text: count === 0 ? "What you write waits here, and leaves by itself."
      : `${count} ${count === 1 ? "message waits" : "messages wait"} here, sealed. They leave by themselves.`,
  }),
  gap: () => notice("warn", { title: "Older messages are gone here", text: "The server kept what it was told to keep. All that is left was loaded anew." }),
  refused: (sentence, fix, code) => notice("bad", { title: sentence, text: fix, code }),
  keyMissing: (text = "The part after # is missing. Ask for the whole link.") =>
    notice("bad", { title: "This link has no key", text, icon: "key" }),
  keyWrong: (text = "Nothing was changed. Ask for the link again.") =>
    notice("bad", { title: "This key does not open it", text, icon: "lock" }),
  otherDevice: (text, action) => notice("info", { title: "Another device", text, action, icon: "key" }),
  storage: (state) => notice("warn", {
    title: state === "full" ? "The storage is full" : "This browser keeps nothing",
    text: "What you do here lasts until this tab closes.",
  }),
};
