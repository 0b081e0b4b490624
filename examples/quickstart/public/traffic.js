// Every frame of both sockets. The two dialects differ in the word before the colon, and in nothing else.

import { el, showFrame } from "/lib/ui.js";

const LENGTH = 60;

export const dialectOf = (url) => new URL(url).searchParams.get("dialect") ?? "pusher";

export function trafficList() {
  const list = el("ol", { class: "traffic-list", reversed: true, tabindex: "0", aria: { label: "Frames, newest first" } });
  const count = el("span", { class: "chip", text: "0" });
  const node = el("details", { class: "card traffic" },
    el("summary", {}, "Every frame of this tab’s two sockets ", count),
    el("p", { class: "dim small", text: `As text, newest first, the last ${LENGTH}. Events of the encrypted channel are sealed, names of the presence channel are not.` }), list);
  let frames = 0;

  return {
    node,
    add(dialect, direction, text) {
      const code = el("code");
      showFrame(code, text);
      list.prepend(el("li", { class: direction }, el("span", { text: `${dialect} ${direction === "in" ? "received" : "sent"}` }), code));
      while (list.children.length > LENGTH) list.lastElementChild.remove();
      count.textContent = ++frames;
    },
  };
}
