// What surrounds a screen: sidebar, apps, top bar with the state line, and the phone's tabs.

import { age, percent, visible } from "../format.js";
import { ageOfScreen, isOld, uptime } from "../heard.js";
import { GROUPS, TABS, screenNamed } from "../router.js";
import { HELP } from "../keyboard.js";
import { dot, tag } from "./badges.js";
import { html, nothing, repeat } from "./html.js";
import { icon, seal } from "./icons.js";

export function shell(host) {
  const { page, screen, store } = host;
  const { name } = page.route;
  const title = screen?.title ?? screenNamed(name).title;
  const focusMain = (event) => {
    event.preventDefault();
    document.querySelector("main")?.focus();
  };
  return html`
    <a class="skip" href="#main" @click=${focusMain}>Skip to content</a>
    <div class="frame">
      ${rail(host, name)}
      <div class="page">
        <header class="top">
          <span class="only-phone">${seal()}</span>
          <h1 tabindex="-1">${title}</h1>
          ${store.app ? html`<button type="button" class="tag apps only-phone" popovertarget="apps" aria-label="App ${store.app}: change">${store.app}</button>` : nothing}
          <span class="space"></span>
          ${stateLine(host)}
          <button type="button" class="jump no-phone" @click=${host.jump}>${icon("search")}Jump to…<kbd>Ctrl K</kbd></button>
          ${screen?.actions?.() ?? nothing}
        </header>
        ${store.isSignedIn && host.socket.state !== "open" && host.socket.state !== "connecting" ? html`<p class="away only-phone" aria-hidden="true">${stateText(host)}</p>` : nothing}
        ${repeat([page], (it) => it, () => html`<main id="main" tabindex="-1" class=${screen?.layout ?? "body"} ?data-old=${isOld(host)}>${host.content()}</main>`)}
        ${tabs(page, name)}
      </div>
    </div>
    ${appMenu(host)}`;
}

function rail(host, current) {
  const { store, page, stats, theme, signOut } = host;
  const { session } = store;
  const badges = badgesOf(stats()?.data, store.app);
  const visibleScreens = (group) => group.screens.filter((it) => !it.dev || session?.dev);
  return html`
    <aside class="rail" aria-label="Sealcast">
      <p class="brand">${seal()}Sealcast</p>
      ${store.app
        ? html`<button type="button" class="scope" popovertarget="apps">${dot()}<b>${visible(store.app)}</b><span>${store.apps.length > 1 ? `1 of ${store.apps.length} apps` : "the only app"}</span>${icon("chevron")}</button>`
        : nothing}
      <div>
        ${GROUPS.map((group, at) => html`
          <nav class="nav" aria-label=${group.title}>
            ${at ? html`<h2>${group.title}</h2>` : nothing}
            ${visibleScreens(group).map((it) => html`<a href=${page.link(it.name)} aria-current=${it.name === current ? "page" : nothing}>${icon(it.icon)}${it.title}${badges[it.name] ?? nothing}</a>`)}
          </nav>`)}
      </div>
      <footer>
        ${session ? html`<p class="row"><b>${visible(session.node ?? "Sealcast")}</b> ${session.version}</p>
          <p>Up ${age(uptime(host, session.started))} · ${session.by === "code" ? "one-time code" : "admin token"}</p>` : nothing}
        <p class="row">
          <button type="button" class="plain" @click=${() => theme.switch()}>${icon(theme.isDark ? "sun" : "moon")}${theme.isDark ? "Light" : "Dark"} <kbd>D</kbd></button>
          ${store.isSignedIn ? html`<button type="button" class="plain end" @click=${signOut}>Sign out</button>` : nothing}
        </p>
      </footer>
    </aside>`;
}

/** Marks in the sidebar: a running rotation, dead letters, the nodes of a cluster. */
function badgesOf(stats, app) {
  if (!stats) return {};
  const keys = (stats.keys ?? []).filter((key) => key.app === app);
  const active = keys.find((key) => key.state === "active")?.subscriptions ?? 0;
  const all = keys.reduce((sum, key) => sum + (key.subscriptions ?? 0), 0);
  const isRotating = keys.some((key) => key.state === "grace" && key.subscriptions > 0);
  const letters = stats.webhooks?.dead_letters ?? 0;
  return {
    keys: isRotating ? html`<span class="tag wax" title="Rotation: moved so far">${percent(active / all)}</span>` : undefined,
    webhooks: letters > 0 ? html`<span class="tag warn" title="Dead letters">${letters}</span>` : undefined,
    nodes: stats.cluster ? tag(stats.cluster.nodes) : undefined,
  };
}

const STATES = {
  connecting: ["Connecting", "warn"],
  away: ["Not connected, trying again", "bad"],
  asleep: ["Paused while hidden", "warn"],
  idle: ["Paused; touch a key to go on", "warn"],
  closed: ["Signed out", "warn"],
};

function stateText(host) {
  const seconds = ageOfScreen(host);
  return `${STATES[host.socket.state][0]}${seconds === undefined ? "" : `, ${age(seconds)} old`}`;
}

/** Only the state itself is announced, not the numbers beside it. */
function stateLine(host) {
  const { socket, screen, store } = host;
  const isOpen = socket.state === "open";
  const [text, tone] = isOpen ? (screen?.state?.() ?? ["Live", ""]) : STATES[socket.state];
  const spoken = store.said || (isOpen ? (tone === "warn" ? text : "Live") : text);
  return html`
    <span class="live">${dot(tone)}<span class="no-phone" aria-hidden="true">${store.said || (isOpen ? text : stateText(host))}</span>
      <span class="vh" role="status" aria-live="polite">${spoken}</span></span>`;
}

const tabs = (page, current) => html`
  <nav class="tabs" aria-label="Sections">
    ${TABS.map((name) => {
      const it = screenNamed(name);
      const isHere = name === current || (name === "more" && !TABS.includes(current));
      return html`<a href=${page.link(name)} aria-current=${isHere ? "page" : nothing}>${icon(it.icon)}${it.tab ?? it.title}</a>`;
    })}
  </nav>`;

function appMenu({ store, page }) {
  const hide = (event) => event.currentTarget.closest("[popover]").hidePopover();
  return html`
    <nav id="apps" popover class="menu" aria-label="Apps">
      ${store.apps.map((app) => html`<a href=${page.link(page.route.name, [], { app })} aria-current=${app === store.app ? "true" : nothing} @click=${hide}>${app === store.app ? icon("check") : html`<span class="i"></span>`}<bdi>${visible(app)}</bdi></a>`)}
    </nav>`;
}

export const helpDialog = () => html`
  <h2 id="dialog-title">Keys</h2>
  <dl class="help">${HELP.map(([key, text]) => html`<dt>${key.split(/( |, )/).map((it) => (/^[A-Z/.?]$|^(Ctrl|Enter|Esc|Space)$/.test(it) ? html`<kbd>${it}</kbd>` : it))}</dt><dd>${text}</dd>`)}
    ${GROUPS.flatMap((group) => group.screens).map((it) => html`<dt><kbd>G</kbd> <kbd>${it.letter.toUpperCase()}</kbd></dt><dd>${it.title}</dd>`)}</dl>
  <form method="dialog" class="actions"><button class="btn">Close</button></form>`;
