// Buttons, fields, cards and other small parts of a page.

import { el, icon } from "./dom.js";
import { toast } from "./dialog.js";

let lastId = 0;
const newId = () => `part-${++lastId}`;

export function button(text, { kind, icon: name, press, low, label, type = "button", ...rest } = {}) {
  const classes = ["btn", kind, low && "low"].filter(Boolean).join(" ");
  return el("button", { class: classes, type, on: press && { click: press }, aria: label ? { label } : {}, ...rest },
    name && icon(name), text);
}

export const iconButton = (name, label, press, rest = {}) =>
  el("button", { class: "iconbtn", type: "button", title: label, aria: { label }, on: press && { click: press }, ...rest }, icon(name));

export const chip = (text, tone = "", iconName) => el("span", { class: `chip ${tone}`.trim() }, iconName && icon(iconName), text);

export function card(title, ...children) {
  const id = newId();
  return el("section", { class: "card", "aria-labelledby": id }, el("div", { class: "head" }, el("h2", { id, text: title })), children);
}

/** The label stands above, or with `isHidden` for screen readers only. */
export function field(label, { isHidden, rows, hint, ...properties } = {}) {
  const id = newId();
  const input = el(rows ? "textarea" : "input", { class: "field", id, rows, ...properties });
  const hintNode = hint && el("p", { class: "hint", id: `${id}-hint`, text: hint });
  if (hintNode) input.setAttribute("aria-describedby", hintNode.id);
  const node = el("div", { class: "labelled" }, el("label", { for: id, class: isHidden ? "vh" : "", text: label }), input, hintNode);
  return Object.assign(node, { input });
}

export function toggle(label, isOn, change) {
  const node = el("button", { class: "switch", type: "button", role: "switch", aria: { checked: isOn, label } });
  node.set = (value) => node.setAttribute("aria-checked", value);
  node.addEventListener("click", async () => {
    const next = node.getAttribute("aria-checked") !== "true";
    node.set(next);
    // A change that is refused does not stay.
    if ((await change(next)) === false) node.set(!next);
  });
  return node;
}

const HUES = 7;

export function avatar(id, name, { isHere } = {}) {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [...words[0]][0] + [...words.at(-1)][0] : [...name.trim()].slice(0, 2).join("");
  const hue = [...String(id)].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 1009, 7) % HUES;
  return el("span", { class: `avatar h${hue}`, aria: { hidden: true } }, letters, isHere && el("i", { class: "on" }));
}

export function copyButton(text, label = "Copy", options = {}) {
  return button(label, {
    icon: "copy",
    ...options,
    press: async () => {
      try {
        await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
        toast("Copied", { icon: "check" });
      } catch {
        toast("This browser does not allow it. Select the text and copy it yourself.", { icon: "warn" });
      }
    },
  });
}

export function emptyState({ title, text, button: label, press, mark }) {
  return el("div", { class: "empty" }, mark, el("b", { text: title }), text && el("span", { text }),
    label && button(label, { kind: "primary", press }));
}

const SKELETON_AFTER_MS = 200;

/** A fast answer shows no skeleton at all. */
export async function whileLoading(place, promise) {
  const lines = Array.from({ length: 3 }, () => el("span", { class: "skel" }));
  const skeleton = el("div", { class: "card skels", role: "status", aria: { label: "Loading" } }, lines);
  const timer = setTimeout(() => place.append(skeleton), SKELETON_AFTER_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    skeleton.remove();
  }
}

export const caughtUp = (count, noun = "message") =>
  el("li", { class: "day unread", text: `${count} ${noun}${count === 1 ? "" : "s"} came while you were away` });

/** Grows with its text, to six lines. */
export function autoGrow(textarea, lines = 6) {
  const fit = () => {
    const style = getComputedStyle(textarea);
    const edges = textarea.offsetHeight - textarea.clientHeight;
    const most = parseFloat(style.lineHeight) * lines + parseFloat(style.paddingTop) + parseFloat(style.paddingBottom);
    textarea.style.setProperty("height", "auto");
    textarea.style.setProperty("height", `${Math.min(textarea.scrollHeight, most) + edges}px`);
  };
  textarea.addEventListener("input", fit);
  requestAnimationFrame(fit);
  return fit;
}

/** Keeps a page of full height above the keyboard of a phone. */
export function followKeyboard(node = document.body) {
  const view = window.visualViewport;
  if (!view) return;
  const fit = () => {
    // A pinched page is not one with a keyboard.
    const isCovered = view.scale === 1 && window.innerHeight - view.height > 80;
    node.style.setProperty("height", isCovered ? `${view.height}px` : "");
    if (isCovered) window.scrollTo(0, 0);
  };
  view.addEventListener("resize", fit);
  view.addEventListener("scroll", fit);
}

export const timeOf = (date) => new Date(date).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

export function dayOf(date, today = new Date()) {
  const day = new Date(date);
  const midnight = (moment) => new Date(moment).setHours(0, 0, 0, 0);
  const ago = Math.round((midnight(today) - midnight(day)) / 86_400_000);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  if (ago > 1 && ago < 7) return day.toLocaleDateString([], { weekday: "long" });
  return day.toLocaleDateString([], { day: "numeric", month: "long" });
}
