// Keys: their states on a time axis, a rotation as it goes, and what changes them.

import { fingerprint } from "../format.js";
import { card, noApp } from "../parts/card.js";
import { codeBlock } from "../parts/copy.js";
import { html, nothing } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { emptyState, skeletonBlock, stateful } from "../parts/states.js";
import { askForce, askRevoke, askRotate } from "./keys/actions.js";
import { Progress } from "./keys/progress.js";
import { rotationCard } from "./keys/rotation.js";
import { timeline } from "./keys/timeline.js";

const IDLE_SECONDS = 5;
const POLL_MS = 1_000;

const isRotating = (data) => Boolean(data?.rotation?.in_progress);

export function create(page) {
  if (!page.app) return { body: noApp };
  const progress = new Progress();
  const keys = page.resource(async (signal) => {
    const answer = await page.api.get(page.path("/keys"), {}, signal);
    const wasRunning = progress.isRunning;
    progress.note(answer);
    if (wasRunning && !progress.isRunning) page.store.say("The rotation is finished.");
    return answer;
  }, { every: IDLE_SECONDS });
  page.repeat(() => {
    if (isRotating(keys.data) && !keys.isLoading && !document.hidden && !page.isPaused()) keys.refresh();
  }, POLL_MS);

  const view = { showsRetired: false };
  const changed = () => keys.refresh();
  const rotate = () => keys.data && askRotate(page, keys.data, changed);
  const actions = {
    revoke: (key) => askRevoke(page, key, changed),
    force: () => askForce(page, keys.data, changed),
    toggleRetired: () => {
      view.showsRetired = !view.showsRetired;
      page.redraw();
    },
  };

  const content = (data) => html`
    ${waitingNote(data, actions)}
    ${rotationCard(data, progress, actions)}
    ${card("h-keys", "Master keys", timeline(data.keys, view, actions), html`<span class="dim">derivation ${data.derivation}</span>`)}
    ${guide(page)}`;

  return {
    body: () => (keys.error?.code === "no_keys" ? noKeys(page) : stateful(keys, { content, skeleton, isEmpty: (data) => data.keys.length === 0, empty: () => noKeys(page) })),
    actions: () => (keys.data ? html`<button type="button" class="btn primary" @click=${rotate}>${icon("retry")}Rotate…<kbd class="no-phone">R</kbd></button>` : nothing),
    state: () => (isRotating(keys.data) ? ["Rotating, each second", ""] : [`Every ${IDLE_SECONDS} s`, ""]),
    keys: { r: rotate },
  };
}

/** A key of the configuration, behind the running rotation. */
const waitingNote = ({ rotation }, actions) =>
  rotation.waiting
    ? html`<p class="note">${icon("clock")}<span>The configuration names another key, <b class="mono">${fingerprint(rotation.waiting)}</b>. It becomes active when the running rotation has ended.</span>
        <button type="button" class="link" @click=${actions.force}>Take it now…</button></p>`
    : nothing;

const noKeys = (page) => emptyState("This app has no master key.", html`
  <p>Its backend seals, and the server relays envelopes. To let the server seal, make a key, name it in the configuration, and restart the server:</p>
  ${codeBlock(page, `sealcast keys generate > master_key\nchmod 600 master_key\n\n[apps.${page.app}]\nmaster_key_file = "/run/secrets/master_key"`)}`, "key");

const skeleton = () => html`<div class="card">${skeletonBlock()}</div><div class="card">${skeletonBlock("tall")}</div>`;

const guide = (page) => html`
  <details class="card fold">
    <summary>The same on the command line</summary>
    <div class="in">${codeBlock(page, `sealcast keys list --app ${page.app}
sealcast keys rotate --app ${page.app}
sealcast keys rotate --app ${page.app} --key - --in 600 < new-key
sealcast keys rotate --app ${page.app} --force
sealcast keys revoke --app ${page.app} FINGERPRINT --now`)}</div>
  </details>`;
