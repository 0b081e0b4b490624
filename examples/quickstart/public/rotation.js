// The key card: "Rotate now", what each client received meanwhile, and how often it had to ask again.

import { announce, button, card, el } from "/lib/ui.js";
import { askBackend } from "./composer.js";

const POLL_MS = 400;
const MAX_POLLS = 300;
const INTRO = "Sends 200 events, and changes the key among them.";
const DIALECTS = { pusher: "Pusher", jetsocket: "Jetsocket" };

/** Received numbers of one run of one client. */
function newCount() {
  return { seen: new Set(), newest: 0, isInOrder: true };
}

export function rotationCard({ askedAgain }) {
  const key = el("code", { class: "key", text: "…" });
  const press = button("Rotate now", { icon: "retry", press: start });
  const sentence = el("p", { class: "small", role: "status", text: INTRO });
  const rows = Object.fromEntries(Object.entries(DIALECTS).map(([dialect, title]) => [dialect, progressRow(title)]));
  const table = el("div", { class: "runs", hidden: true }, Object.values(rows).map(({ node }) => node));
  const node = card("The key", el("p", { class: "row" }, el("span", { class: "small dim", text: "Its fingerprint" }), key), press, sentence, table);

  let run = null;
  let polling = null;

  async function start() {
    press.disabled = true;
    try {
      const { id, of } = await askBackend("POST", "/rotation", {});
      begin(id, of);
    } catch (error) {
      sentence.textContent = error.message;
      press.disabled = false;
    }
  }

  function begin(id, of) {
    if (run?.id === id) return;
    run = { id, of, counts: {}, before: {} };
    for (const dialect of Object.keys(DIALECTS)) {
      run.counts[dialect] = newCount();
      run.before[dialect] = askedAgain(dialect);
    }
    table.hidden = false;
    press.disabled = true;
    sentence.textContent = "The key changes, and events go on.";
    show();
    polling ??= poll().finally(() => (polling = null));
  }

  async function poll() {
    let current;
    for (let polls = 0; polls < MAX_POLLS && current?.run?.isRunning !== false; polls++) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      try {
        current = await report();
      } catch (error) {
        sentence.textContent = error.message;
      }
      // The backend has begun anew, and knows of no run.
      if (current && !current.run) break;
    }
    press.disabled = false;
    if (current?.run?.id === run.id) conclude(current.run);
  }

  async function report() {
    const current = await askBackend("GET", "/rotation");
    key.textContent = current.key.id;
    return current;
  }

  /** All has been sent: what is missing now is lost, or still on its way for a moment. */
  function conclude({ sent, error, oldKey, newKey, asked, closed }) {
    run.end = { sent };
    show();
    sentence.textContent = error ? `Stopped: ${error}`
      : `Key ${oldKey} became ${newKey}. ${asked} re-authorizations, ${closed} disconnected.`;
    announce(sentence.textContent);
  }

  function show() {
    for (const [dialect, row] of Object.entries(rows)) {
      const { seen, isInOrder } = run.counts[dialect];
      const sent = run.end?.sent ?? run.of;
      row.set({ received: seen.size, sent, isInOrder, again: askedAgain(dialect) - run.before[dialect], isEnded: run.end !== undefined });
    }
  }

  /** Also after a connection that was lost. */
  async function refresh() {
    try {
      await report();
      if (!run) sentence.textContent = INTRO;
    } catch (error) {
      sentence.textContent = error.message;
    }
  }

  // A guest's tab hears nothing of a rotation.
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
  return {
    node,
    refresh,
    tick(dialect, { run: id, n, of }) {
      begin(id, of);
      const count = run.counts[dialect];
      count.isInOrder &&= n > count.newest;
      count.newest = n;
      count.seen.add(n);
      show();
    },
  };
}

function progressRow(title) {
  const bar = el("progress", { max: 1, value: 0, aria: { label: `Events received by ${title}` } });
  const text = el("span", { class: "small" });
  const node = el("div", { class: "run" }, el("b", { class: "small", text: title }), bar, text);
  return {
    node,
    set({ received, sent, isInOrder, again, isEnded }) {
      bar.max = sent || 1;
      bar.value = received;
      const lost = isEnded ? ` · ${Math.max(0, sent - received)} lost${isInOrder ? "" : ", out of order"}` : "";
      text.textContent = `${received} of ${sent}${lost} · asked again ${again}×`;
    },
  };
}
