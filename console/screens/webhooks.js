// Webhooks: endpoints, what was sent to them, and what could not be sent.

import { count, plural } from "../format.js";
import { card, noApp } from "../parts/card.js";
import { codeBlock } from "../parts/copy.js";
import { html, nothing } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { emptyState, skeletonBlock, skeletonRows, stateful } from "../parts/states.js";
import { endpointsTable } from "./webhooks/endpoints.js";
import { lettersTable } from "./webhooks/letters.js";
import { attemptsHead, attemptsTable } from "./webhooks/attempts.js";
import { askDiscard, replay, test } from "./webhooks/actions.js";

const EVERY_SECONDS = 5;
const MAX_LETTERS = 100;
const MAX_ATTEMPTS = 200;

export function create(page) {
  if (!page.app) return { body: noApp };
  const report = page.resource((signal) => page.api.get(page.path("/webhooks"), { limit: MAX_LETTERS }, signal), { every: EVERY_SECONDS });
  const hasNone = () => report.error?.code === "no_webhooks";
  const view = { endpoint: page.route.query.endpoint ?? "", failedOnly: false, tests: new Map(), busy: new Set(), error: undefined };
  const log = page.resource(async (signal) => {
    if (hasNone()) return { deliveries: [] };
    return page.api.get(page.path("/webhooks/log"), { limit: MAX_ATTEMPTS, endpoint: view.endpoint }, signal);
  }, { every: EVERY_SECONDS });
  const refresh = () => {
    report.refresh();
    log.refresh();
  };

  /** Runs one action; its error is shown above the tables. */
  const run = async (name, action) => {
    if (view.busy.has(name)) return;
    view.busy.add(name);
    view.error = undefined;
    page.redraw();
    try {
      await action();
    } catch (error) {
      view.error = error;
    }
    view.busy.delete(name);
    page.redraw();
    refresh();
  };
  const actions = {
    test: (endpoint) => run(`test ${endpoint}`, () => test(page, view, endpoint)),
    replay: (which) => run(`replay ${which.id ?? which.endpoint ?? ""}`, () => replay(page, which)),
    discard: (which, number) => askDiscard(page, which, number, refresh),
    filter: (endpoint) => {
      view.endpoint = endpoint;
      log.refresh({ clear: true });
      page.replaceQuery({ endpoint });
      page.redraw();
    },
    onlyFailed: (chosen) => {
      view.failedOnly = chosen;
      page.redraw();
    },
  };

  const lettersHead = (data) => (data.dead_letters ? html`
    <button type="button" class="btn" @click=${() => actions.replay({})} ?disabled=${view.busy.has("replay ")}>${icon("retry")}Send all again</button>
    <button type="button" class="btn quiet" @click=${() => actions.discard({ all: true }, data.dead_letters)}>Discard all…</button>` : nothing);

  const content = (data) => html`
    ${view.error ? html`<p class="note bad">${icon("warn")}<span>${view.error.message} ${view.error.fix ?? ""} <code>${view.error.code}</code>${view.error.id ? html` id <code>${view.error.id}</code>` : nothing}</span></p>` : nothing}
    ${card("h-endpoints", plural(data.endpoints.length, "endpoint"), endpointsTable(data.endpoints, view, actions),
      html`<button type="button" class="btn" @click=${() => actions.test()} ?disabled=${view.busy.has("test undefined")}>${icon("send")}Test all</button>`, "foldable")}
    ${card("h-letters", "Dead letters", data.letters.length
      ? html`${lettersTable(data.letters, actions, view)}${data.dead_letters > data.letters.length ? html`<p class="in dim">The ${count(data.letters.length)} oldest of ${count(data.dead_letters)}. The command line shows more: sealcast webhooks list --limit 500</p>` : nothing}`
      : html`<p class="in dim">None. An event that no attempt delivers is kept here, until you send it again or discard it.</p>`, lettersHead(data), "foldable")}
    ${card("h-log", "Attempts", stateful(log, {
      content: ({ deliveries }) => attemptsTable(deliveries, view),
      skeleton: () => skeletonRows(6),
      isEmpty: ({ deliveries }) => deliveries.length === 0,
      empty: () => html`<p class="in dim">No request since the start of the server.</p>`,
    }), attemptsHead(data.endpoints, view, actions), "foldable")}`;

  return {
    body: () => (hasNone() ? noWebhooks(page) : stateful(report, { content, skeleton })),
    state: () => [`Every ${EVERY_SECONDS} s`, ""],
  };
}

const skeleton = () => html`<div class="card">${skeletonRows(4)}</div><div class="card">${skeletonBlock()}</div><div class="card">${skeletonBlock("tall")}</div>`;

const noWebhooks = (page) => emptyState("This app has no webhook.", html`
  <p>Add an endpoint to the configuration. The server reads it by itself:</p>
  ${codeBlock(page, `[[apps.${page.app}.webhooks]]\nurl = "https://example.com/pusher/webhooks"`)}`, "hook");
