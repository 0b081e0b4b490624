// Ctrl K: to any channel, socket, key, setting or screen.

import { fingerprint, visible } from "../format.js";
import { screensFor } from "../router.js";
import { kindOf } from "./badges.js";
import { html } from "./html.js";
import { icon } from "./icons.js";

const WAIT_MS = 120;
const MAX_RESULTS = 12;
const MAX_CHANNELS = 6;

export function openJump(page) {
  const state = { text: "", channels: [], settings: [], at: 0, close: page.close };
  const { session } = page.store;
  let timer;

  const screens = () => screensFor(session).map((it) => ({ icon: it.icon, title: it.title, note: `G ${it.letter.toUpperCase()}`, href: page.link(it.name) }));
  const keys = () => (page.stats()?.data?.keys ?? []).filter((key) => key.app === page.app)
    .map((key) => ({ icon: "key", title: fingerprint(key.id), plain: key.id, note: `${key.state} key`, href: page.link("keys") }));
  const settings = () => state.settings.map(({ setting }) => ({ icon: "gear", title: setting, note: "setting", href: page.link("configuration", [], { name: setting }) }));
  const channels = () => state.channels.map(({ name }) => ({ icon: kindOf(name) === "encrypted" ? "lock" : "channels", title: visible(name), note: "channel", href: page.link("channels", [name]) }));
  const socket = () => (/^\d+\.\d+$/.test(state.text) ? [{ icon: "plug", title: state.text, note: "socket", href: page.link("connections", [state.text]) }] : []);

  const results = () => {
    const wanted = state.text.toLowerCase().replace(/\s/g, "");
    const has = (it) => `${it.title}${it.plain ?? ""}`.toLowerCase().replace(/\s/g, "").includes(wanted);
    const typed = state.text ? [...keys(), ...settings()] : [];
    return [...socket(), ...[...screens(), ...typed].filter(has), ...channels()].slice(0, MAX_RESULTS);
  };

  const look = async () => {
    const asked = state.text;
    if (!asked || !page.app) return set({ channels: [] });
    try {
      const answer = await page.api.get(page.path("/channels"), { prefix: asked, limit: MAX_CHANNELS });
      if (asked === state.text) set({ channels: answer.channels ?? [] });
    } catch {
      set({ channels: [] });
    }
  };
  const set = (values) => {
    Object.assign(state, values);
    page.redraw();
  };
  const typed = (event) => {
    set({ text: event.target.value.trim(), at: 0 });
    clearTimeout(timer);
    timer = setTimeout(look, WAIT_MS);
  };
  const move = (event, found) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) set({ at: Math.min(found.length - 1, Math.max(0, state.at + step)) });
    else if (event.key === "Enter" && found[state.at]) follow(found[state.at]);
    else return;
    event.preventDefault();
  };
  const follow = ({ href }) => {
    state.close();
    location.hash = href;
  };

  page.api.get("/admin/config").then((answer) => set({ settings: answer.settings ?? [] }), () => {});
  page.show((close) => {
    state.close = close;
    const found = results();
    return html`
      <div class="jumper">
        <h2 id="dialog-title" class="vh">Jump</h2>
        <div class="search">${icon("search")}<input autofocus role="combobox" aria-expanded="true" aria-controls="jump-list" aria-activedescendant=${`jump-${state.at}`}
          aria-label="Jump to a channel, socket, key, setting or screen" placeholder="Channel, socket, key, setting or screen" autocomplete="off" spellcheck="false"
          @input=${typed} @keydown=${(event) => move(event, found)}></div>
        <ul id="jump-list" role="listbox" aria-label="Places">
          ${found.map((it, at) => html`<li id=${`jump-${at}`} role="option" aria-selected=${at === state.at} @click=${() => follow(it)}>${icon(it.icon)}<bdi>${it.title}</bdi><span>${it.note}</span></li>`)}
        </ul>
        ${found.length ? "" : html`<p class="dim none">Nothing begins like this.</p>`}
      </div>`;
  });
}
