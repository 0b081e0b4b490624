// The form, and what became of the last message.

import { autoGrow, button, el, field } from "/lib/ui.js";

/** A phone's keyboard would cover what just arrived. */
const isTouch = matchMedia("(hover: none) and (pointer: coarse)").matches;

/** `send(text)` resolves once the backend took it; `onSent` gets its answer. */
export function composer({ placeholder, send, onSent, onError }) {
  const box = field("Write a message", { rows: 1, name: "text", autocomplete: "off", placeholder, enterkeyhint: "send" });
  const press = button("Send", { kind: "primary", type: "submit", icon: "send", disabled: true });
  const form = el("form", { class: "card write", on: { submit } }, box, press);
  const { input } = box;
  const fit = autoGrow(input);
  let isBusy = false;

  async function submit(event) {
    event.preventDefault();
    if (isBusy || press.disabled || !input.value.trim()) return;
    isBusy = true;
    form.ariaBusy = "true";
    const text = input.value;
    // Empty at once: what is typed meanwhile is the next message.
    input.value = "";
    fit();
    try {
      onSent(await send(text));
    } catch (error) {
      input.value = [text, input.value].filter(Boolean).join("\n");
      fit();
      onError(error.message);
    } finally {
      isBusy = false;
      form.ariaBusy = "false";
      if (isTouch) input.blur();
      else input.focus();
    }
  }
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });

  return { node: form, enable: (isOn) => (press.disabled = !isOn) };
}

const SILENT = "The quickstart’s backend does not answer. Start it with: node examples/quickstart/server.mjs";

export async function askBackend(method, path, value) {
  let response, answer;
  try {
    response = await fetch(path, {
      method, signal: AbortSignal.timeout(10_000),
      ...(value !== undefined && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) }),
    });
    answer = await response.json();
  } catch {
    throw new Error(SILENT);
  }
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
