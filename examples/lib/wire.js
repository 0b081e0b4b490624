// "What the server sees": the last frame as it travelled, its size, and what can be read from it.

import { dialog } from "./dialog.js";
import { el, icon, sealMark } from "./dom.js";

/** Tells of each frame of a WebSocket that is opened from now on. `url` is that of the socket. */
export function tapSockets(onFrame) {
  const tell = (direction, data, url) => {
    const text = String(data);
    onFrame({ direction, text, bytes: new Blob([text]).size, url });
  };
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", ({ data }) => tell("in", data, this.url));
    }

    send(data) {
      tell("out", data, this.url);
      super.send(data);
    }
  };
}

/** A text such as `iv.ct`, not inside a longer word: names of channels have dots, too. */
const SEALED = /(?<![\w-])([\w-]{16})\.([\w-]{22,})|(\\?"(nonce|ciphertext)\\?":\\?")([^"\\]*)/g;

/** Adds colour only: the text stays as it was, to the character. */
export function showFrame(place, text) {
  const parts = [];
  let end = 0;
  const mark = (kind, value) => parts.push(el("span", { class: kind, text: value }));
  for (const match of text.matchAll(SEALED)) {
    const [all, iv, ct, before, field, value] = match;
    parts.push(text.slice(end, match.index));
    if (iv) {
      mark("n", iv);
      parts.push(".");
      mark("c", ct);
    } else {
      parts.push(before);
      mark(field === "nonce" ? "n" : "c", value);
    }
    end = match.index + all.length;
  }
  place.replaceChildren(...parts, text.slice(end));
}

export function wirePanel({ title = "What the server sees", caption = "", knows = "", cannot = "" } = {}) {
  const size = el("span", { class: "size" });
  const captionNode = el("p", { class: "wire-cap", text: caption });
  const frame = el("pre", { class: "frame", tabindex: "0", aria: { label: "The last frame" } }, "Nothing has left this browser yet.");
  const silence = el("div", { class: "silence", hidden: true });
  const store = el("ol", { class: "store", hidden: true });
  const facts = el("dl", { class: "knows" });
  const heading = el("h2", { text: title });
  const body = el("div", { class: "wire-body" },
    el("div", { class: "wire-head" }, sealMark(), heading, size), captionNode, frame, silence, store, facts);
  const lineText = el("code");
  const line = el("button", { class: "wire-line", type: "button" }, sealMark(), title, lineText);
  const node = el("section", { class: "wire", aria: { label: title } }, body, line);
  // On a phone the line at the foot opens the panel.
  line.addEventListener("click", () => {
    const { node: shown } = dialog({ title, body: body.cloneNode(true), onClose: () => line.focus() });
    shown.classList.add("wire-dialog");
  });

  const explain = (next) => {
    const rows = [["eye", "", "It knows", next.knows], ["hidden", "no", "It cannot read", next.cannot]].filter(([, , , text]) => text);
    facts.replaceChildren(...rows.map(([name, tone, term, text]) =>
      el("div", {}, el("dt", { class: tone }, icon(name), term), el("dd", { text }))));
  };
  explain({ knows, cannot });

  const panel = {
    node,
    lastFrame: null,
    explain,
    show(text, { caption: next, bytes = new Blob([text]).size } = {}) {
      panel.lastFrame = text;
      if (next !== undefined) captionNode.textContent = next;
      size.textContent = `${bytes.toLocaleString("en")} bytes`;
      showFrame(frame, text);
      frame.hidden = false;
      silence.hidden = store.hidden = true;
      lineText.textContent = text;
    },
    /** Without a connection: nothing leaves, and `waiting` lists the sealed texts that will. */
    silence(heading, text, waiting = []) {
      size.textContent = "0 bytes";
      silence.replaceChildren(el("b", { text: heading }), el("span", { text }));
      store.replaceChildren(...waiting.slice(0, 5).map((sealed, i) => {
        const place = el("li");
        showFrame(place, sealed);
        place.prepend(el("span", { class: "k", text: `${i + 1} ` }));
        return place;
      }));
      frame.hidden = true;
      silence.hidden = false;
      store.hidden = waiting.length === 0;
      captionNode.textContent = waiting.length > 0 ? "Waiting in this browser, already sealed" : "";
      lineText.textContent = heading;
    },
  };
  return panel;
}
