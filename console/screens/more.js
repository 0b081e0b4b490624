// The phone's last tab: the screens that have no tab, the theme and the end of the session.

import { html } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { TABS, screensFor } from "../router.js";

export function create(page) {
  const others = () => screensFor(page.store.session).filter((it) => !TABS.includes(it.name));
  const signOut = () => page.api.signOut().catch(() => {}).then(() => location.reload());
  return {
    body: () => html`
      <section class="card">
        <ul class="places">
          ${others().map((it) => html`<li><a href=${page.link(it.name)}>${icon(it.icon)}${it.title}${icon("next")}</a></li>`)}
          <li><button type="button" @click=${() => page.theme.switch()}>${icon(page.theme.isDark ? "sun" : "moon")}${page.theme.isDark ? "Light" : "Dark"}</button></li>
          <li><button type="button" @click=${signOut}>${icon("out")}Sign out</button></li>
        </ul>
      </section>`,
  };
}
