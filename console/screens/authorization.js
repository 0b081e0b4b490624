// Authorization: why an auth string, a token or an auth endpoint's answer is refused. What is pasted
// is kept in the form alone, and is gone with the screen.

import { noApp } from "../parts/card.js";
import { choice } from "../parts/badges.js";
import { html, live, nothing } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { emptyState, errorState } from "../parts/states.js";
import { explanation, tokenReport } from "./authorization/results.js";

const field = (name, label, more = {}) => ({ name, label, ...more });
const CHANNEL = field("channel", "Channel, as the client sends it", { example: "private-encrypted-orders", required: true });
const SOCKET = field("socket_id", "Socket id of the connection", { example: "12.4409", required: true });

const DEBUGGERS = {
  auth: {
    title: "An auth string",
    text: "A backend signed it, and the server refuses it. The server repeats common mistakes until one gives the same signature.",
    route: "/auth/explain",
    fields: [
      field("auth", "Auth string", { example: "app-key:3b5f…", required: true }),
      SOCKET,
      field("channel", "Channel, as the client sends it", { example: "presence-room" }),
      field("channel_data", "Channel data, byte for byte", { example: '{"user_id":"u1"}', rows: 2, needs: "channel" }),
      field("user_data", "User data of a sign-in, instead of a channel", { example: '{"id":"u1"}', rows: 2 }),
      field("other_socket_ids", "Other socket ids to try, separated by blanks", { example: "12.4410 12.4411" }),
    ],
    show: explanation,
  },
  token: {
    title: "A token",
    text: "Which rule decides for a token and a channel, and why the rules before it do not.",
    route: "/auth/test",
    fields: [field("token", "Token", { example: "eyJhbGciOi…", required: true, rows: 4 }), CHANNEL],
    show: tokenReport,
  },
  answer: {
    title: "An endpoint's answer",
    text: "The whole body that an auth endpoint answered to a client.",
    route: "/auth/answer",
    fields: [field("answer", "Answer", { example: '{"auth":"app-key:3b5f…","shared_secret":"…"}', required: true, rows: 5 }), SOCKET, CHANNEL],
    show: explanation,
  },
};

const OPTIONS = Object.entries(DEBUGGERS).map(([name, { title }]) => [name, title]);

export function create(page) {
  if (!page.app) return { body: noApp };
  let name = named(page.route);
  let values = {};
  let outcome = {};
  let question = 0;

  /** What was pasted goes with the subject; a running request says nothing any more. */
  const wipe = () => {
    values = {};
    outcome = {};
    question += 1;
  };
  const ask = async (event) => {
    event?.preventDefault();
    if (outcome.busy) return;
    const mine = ++question;
    outcome = { busy: true };
    page.redraw();
    let next;
    try {
      next = { result: await page.api.post(page.path(DEBUGGERS[name].route), bodyOf(DEBUGGERS[name], values)) };
    } catch (error) {
      next = { error };
    }
    if (mine !== question) return;
    outcome = next;
    page.redraw();
    document.querySelector("#auth-result")?.focus();
  };
  const set = (it) => (event) => {
    values[it] = event.target.value;
    page.redraw();
  };
  const forget = () => {
    wipe();
    page.redraw();
    document.querySelector("main form input, main form textarea")?.focus();
  };

  return {
    body: () => {
      const it = DEBUGGERS[name];
      return html`
        <div class="tabs-line">${choice("What to examine", OPTIONS, name, (chosen) => page.go("authorization", chosen === "auth" ? [] : [chosen]))}</div>
        <div class="halves">
          <section class="card" aria-labelledby="h-paste">
            <header><h2 id="h-paste">${it.title}</h2><span class="space"></span><span class="dim">not kept, not logged</span></header>
            <form class="in" autocomplete="off" @submit=${ask}>
              <p class="dim">${it.text}</p>
              ${it.fields.map((one) => input(one, values, set(one.name)))}
              <div class="actions"><button type="button" class="btn quiet" @click=${forget}>Clear</button><button class="btn primary" ?disabled=${outcome.busy}>${icon("shield")}Examine</button></div>
            </form>
          </section>
          <section class="card result" id="auth-result" tabindex="-1" aria-labelledby="h-result">
            <header><h2 id="h-result">Result</h2></header>
            ${outcome.error ? errorState(outcome.error, () => ask()) : outcome.result ? it.show(outcome.result, page) : emptyState(outcome.busy ? "The server looks at it." : "Nothing was examined yet.", outcome.busy ? nothing : "Paste it into the form.", "shield")}
          </section>
        </div>`;
    },
    route: (route) => {
      wipe();
      name = named(route);
    },
    state: () => ["Connected", ""],
    stop: wipe,
  };
}

const named = ({ path }) => (Object.hasOwn(DEBUGGERS, path[0]) ? path[0] : "auth");

function input({ name, label, example, required = false, rows, needs }, values, set) {
  const value = live(values[name] ?? "");
  if (needs && !values[needs]) return nothing;
  return html`
    <label class="field"><span>${label}</span>
      ${rows
        ? html`<textarea class="short" rows=${rows} ?required=${required} spellcheck="false" autocomplete="off" placeholder=${example} .value=${value} @input=${set}></textarea>`
        : html`<input class="mono" ?required=${required} spellcheck="false" autocomplete="off" autocapitalize="off" placeholder=${example} .value=${value} @input=${set}>`}
    </label>`;
}

/** Empty fields are left out; a list is made of blanks. */
function bodyOf({ fields }, values) {
  const body = {};
  for (const { name, needs } of fields) {
    const value = values[name] ?? "";
    if (value === "" || (needs && !values[needs])) continue;
    if (name === "other_socket_ids") body[name] = value.split(/\s+/).filter(Boolean);
    else body[name] = name === "socket_id" || name === "channel" ? value.trim() : value;
  }
  return body;
}
