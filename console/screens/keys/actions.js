// What changes keys, each behind a question.

import { fingerprint, plural } from "../../format.js";
import { segment } from "../../api.js";
import { askFirst } from "../../parts/dialog.js";
import { html, nothing } from "../../parts/html.js";
import { total } from "./timeline.js";

const number = (text) => (text.trim() === "" ? undefined : Number(text));
const key = (id) => html`<b class="mono">${fingerprint(id)}</b>`;

/** Begins a rotation, at once or announced. */
export function askRotate(page, { keys, rotation }, done) {
  const form = { own: false, key: "", later: false, seconds: "600", grace: "", force: false };
  const active = keys.find((it) => it.state === "active");
  const run = async () => {
    const body = { force: form.force || undefined, grace_seconds: number(form.grace), activate_in_seconds: form.later ? number(form.seconds) : undefined, key: form.own ? form.key.trim() : undefined };
    const answer = await page.api.post(page.path("/keys/rotate"), body);
    form.key = "";
    page.store.say(said(answer));
    done();
  };
  askFirst(page, {
    title: "Rotate the master key",
    text: html`<p>Subscribers of encrypted channels move to a new key, and lose nothing. You cannot rotate back to ${active ? key(active.id) : "this key"}.</p>`,
    action: "Rotate",
    fields: () => rotateFields(page, form, rotation),
    run,
  });
}

const said = ({ id, state, closed }) =>
  `${fingerprint(id)} is ${state === "pending" ? "announced" : "active"}.${closed ? ` ${plural(closed, "subscription")} closed.` : ""}`;

function rotateFields(page, form, rotation) {
  const set = (name) => (event) => {
    form[name] = event.target.type === "checkbox" ? event.target.checked : event.target.value;
    page.redraw();
  };
  const pick = (name, value) => () => {
    form[name] = value;
    if (name === "own" && !value) form.key = "";
    page.redraw();
  };
  const radio = (name, value, text) => html`<label class="check"><input type="radio" name=${name} .checked=${form[name] === value} @change=${pick(name, value)}>${text}</label>`;
  return html`
    <fieldset class="set"><legend>Key</legend>
      ${radio("own", false, "The server makes one")}
      ${radio("own", true, "One of your own, which your backend has too")}
      ${form.own ? html`<label class="field"><span class="vh">Your key</span><input type="password" autocomplete="off" spellcheck="false" required placeholder="44 characters of sealcast keys generate" @input=${set("key")}></label>` : nothing}
    </fieldset>
    <fieldset class="set"><legend>When</legend>
      ${radio("later", false, "Now")}
      ${radio("later", true, "Announce it, for backends that seal")}
      ${form.later ? html`<label class="field inline"><span>Seconds from now</span><input type="number" min="1" max="31536000" required .value=${form.seconds} @input=${set("seconds")}></label>` : nothing}
    </fieldset>
    ${form.later && !form.own ? html`<p class="note">Your backend would not have a key that the server makes. Give one of your own.</p>` : nothing}
    <label class="field inline"><span>Grace period in seconds</span><input type="number" min="0" max="31536000" placeholder="as configured" @input=${set("grace")}></label>
    ${rotation.in_progress ? html`<label class="check warn"><input type="checkbox" @change=${set("force")}>Force: close the ${plural(rotation.remaining, "subscription")} behind. Without it, the server refuses a second rotation.</label>` : nothing}`;
}

/** Closes subscriptions that do not move, and takes the waiting key or a new one. */
export function askForce(page, { rotation }, done) {
  const { remaining, waiting } = rotation;
  askFirst(page, {
    title: `Close ${plural(remaining, "subscription")}?`,
    text: html`<p>The server closes them (4200), and their clients connect again. Then it begins the next rotation, with ${waiting ? html`the key of the configuration, ${key(waiting)}` : "a key that it makes"}.</p>`,
    action: "Close and rotate",
    danger: true,
    run: async () => {
      page.store.say(said(await page.api.post(page.path("/keys/rotate"), { force: true })));
      done();
    },
  });
}

const CONSEQUENCES = {
  active: (keys) => html`<p>The server makes another key and seals nothing more with this one. All ${total(keys)} move at once, whatever the pace is set to.</p><p>Recordings of earlier events stay readable to those who have the key.</p>`,
  grace: (keys) => html`<p>The server closes the ${total(keys)} with this key (4200), and their clients connect again.</p>`,
  pending: () => html`<p>The announcement is withdrawn. Tell your backends.</p>`,
};

/** Forgets a key, after its fingerprint was typed. */
export function askRevoke(page, it, done) {
  const isPending = it.state === "pending";
  askFirst(page, {
    title: isPending ? "Withdraw the announced key?" : "Revoke the key?",
    text: html`<p>${key(it.id)} (${it.state})</p>${CONSEQUENCES[it.state]([it])}`,
    action: isPending ? "Withdraw" : "Revoke",
    danger: true,
    typed: it.id,
    typedLabel: html`Type its fingerprint, <code>${fingerprint(it.id)}</code>`,
    run: async () => {
      const answer = await page.api.post(page.path(`/keys/${segment(it.id)}/revoke`));
      page.store.say(`${fingerprint(answer.revoked)} is revoked. ${fingerprint(answer.active)} is active.`);
      done();
    },
  });
}
