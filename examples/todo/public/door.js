// The open door: a list of its own, in an app whose secret lies in this page. Never do this.

import { openClient } from "../../lib/publish.js";
import { openStream } from "../../lib/stream.js";
import { button, el, icon } from "../../lib/ui.js";
import { newId } from "./changes.js";
import { signedCall } from "./signed.js";
import { atStranger } from "./stranger-frame.js";

const LOOT = "40 crates of fireworks";

export function openDoor({ config, list, clock }) {
  const app = config.door && { url: config.url, clock, ...config.door };
  const channel = `private-cache-door-${list}`;
  const field = el("input", { class: "field", placeholder: "Write for all to see", autocomplete: "off", maxlength: 100 });
  const form = el("form", { class: "composer" },
    el("label", { class: "grow" }, el("span", { class: "vh", text: "Write for all to see" }), field), button("Add", { kind: "bad", type: "submit" }));
  const items = el("ul", { class: "door-items", aria: { label: "Open list", live: "polite" } });
  const problem = el("p", { class: "hint bad", role: "status" });
  const node = el("section", { class: "card door", hidden: true, "aria-labelledby": "door-title" },
    el("div", { class: "head" }, icon("door"), el("h2", { id: "door-title", text: "Anybody can write here" })),
    el("p", { class: "small", text: "Its secret is in this page’s source. With it, everybody signs as the backend does." }), form, items, problem);
  let stream;
  let all = [];

  const call = async (request) => {
    const answer = await signedCall(app, request).catch((error) => ({ failed: error.message }));
    if ([200, 204].includes(answer.status)) return answer;
    throw new Error(answer.error ?? answer.failed ?? `Sealcast answered ${answer.status}.`);
  };

  function show(next) {
    all = Array.isArray(next) ? next.slice(0, 20) : [];
    items.replaceChildren(...all.map(({ text, by }) =>
      el("li", { class: by === "stranger" ? "looted" : "" }, el("span", { text: String(text) }), el("span", { class: "by", text: by === "stranger" ? "a stranger" : "this page" }))));
  }

  const publish = (next) => call({ method: "POST", path: "/events", body: { name: "list", channels: [channel], data: JSON.stringify(next) } });

  /** The page makes its own pass, as it could make one for any list of this app. */
  async function listen() {
    const { token } = await call({ method: "POST", path: "/tokens", body: { user_id: "anybody", channels: [channel], ttl: 3600 } });
    const client = openClient({ url: `${config.url}/app/${app.key}`, token: async () => token });
    stream = openStream({
      url: `${config.url}/app/${app.key}`, channels: [channel], ticket: () => client.ticket([channel]),
      onEvent: ({ data }) => show(JSON.parse(data)),
    });
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    problem.textContent = "";
    await publish([{ id: newId(), text, by: "page" }, ...all]).catch((error) => (problem.textContent = error.message));
  });

  return {
    node,
    async show(isOn) {
      node.hidden = !isOn;
      if (isOn && !stream) await listen();
      if (isOn) return;
      stream?.close();
      stream = undefined;
      show([]);
      await call({ method: "DELETE", path: `/channels/${channel}/history` });
    },
    /** The stranger has the secret from the page's source, and signs on its own. */
    async attack() {
      await this.show(true);
      const stranger = config.strangers[0];
      const data = JSON.stringify([{ id: newId(), text: LOOT, by: "stranger" }, ...all]);
      const answer = await atStranger(stranger, { door: app, call: { method: "POST", path: "/events", body: { name: "list", channels: [channel], data } } });
      const held = answer.status !== 200;
      return {
        held, headline: held ? "It held, for once." : "It got in.",
        text: `A page at ${new URL(stranger).host} took the secret from this page’s source, and wrote.`,
        rows: [
          ["It sent", `POST /apps/${app.id}/events`], ["Origin", stranger], ["Answer", answer.failed ?? [answer.status, answer.code].filter(Boolean).join(" ")],
          ["To stop it", "Keep the secret in a backend. Give pages passes that name one list, live a minute, and can be ended."],
        ],
      };
    },
  };
}
