// Payloads for a few minutes: asked for with a reason, opened by the server, kept in memory alone.

import { clock, visible } from "../../format.js";
import { name } from "../../parts/badges.js";
import { askFirst } from "../../parts/dialog.js";
import { html, nothing } from "../../parts/html.js";
import { icon } from "../../parts/icons.js";
import { Ring } from "../../ring.js";

const MAX_TEXTS = 100;
const MAX_SHOWN = 20;
const MAX_MINUTES = 10;
const ENDED = { time: "The time is over.", stopped: "Stopped.", settings: "The settings no longer allow it.", lost: "The connection was lost." };

export class Reveal {
  #page;
  #watch;
  #pattern = "";
  #until = 0;
  #texts = new Ring(MAX_TEXTS);
  #ended = "";

  constructor(page) {
    this.#page = page;
    page.repeat(() => this.isOn && Date.now() / 1000 > this.#until && this.#end("time"), 500);
  }

  get isOn() {
    return this.#watch !== undefined;
  }

  /** The question, with channel, minutes and reason. */
  ask(channel) {
    const form = { channel, minutes: 10, reason: "" };
    const field = (key) => (event) => {
      form[key] = event.target.value;
    };
    askFirst(this.#page, {
      title: "Show payloads?",
      text: html`<p>The server opens the events of these channels and sends them to this page. The audit log records your reason, the beginning and the end.</p>`,
      action: "Reveal",
      danger: true,
      fields: () => html`
        <label class="field"><span>Channel, with * for any text</span><input class="mono" .value=${form.channel} required autocomplete="off" spellcheck="false" @input=${field("channel")}></label>
        <label class="field"><span>Minutes, at most ${MAX_MINUTES}</span><input type="number" min="1" max=${MAX_MINUTES} .value=${String(form.minutes)} required @input=${field("minutes")}></label>
        <label class="field"><span>Reason</span><input .value=${form.reason} required maxlength="200" autocomplete="off" placeholder="ticket 12" @input=${field("reason")}></label>`,
      run: () => this.#begin(form),
    });
  }

  #begin({ channel, minutes, reason }) {
    this.#end("stopped");
    return new Promise((resolve, reject) => {
      const watch = this.#page.watch("reveal", { app: this.#page.app, channel: channel.trim(), minutes: Number(minutes), reason: reason.trim() }, {
        ok: ({ until }) => {
          this.#watch = watch;
          this.#pattern = channel.trim();
          this.#until = until;
          this.#ended = "";
          resolve();
          this.#page.redraw();
        },
        error: (error) => {
          this.#page.release(watch);
          reject(Object.assign(new Error(error.error), error));
        },
        message: (message) => this.#take(message),
        lost: () => this.#end("lost"),
      }, { once: true });
    });
  }

  #take({ revealed = [], ended }) {
    if (ended) return this.#end(ended);
    for (const it of revealed) this.#texts.push(it);
    this.#page.redraw();
  }

  /** Forgets every text. */
  #end(why) {
    this.#texts.clear();
    if (!this.#watch) return;
    this.#page.release(this.#watch);
    this.#watch = undefined;
    this.#ended = ENDED[why] ?? "Ended.";
    this.#page.store.say(`Payloads are hidden again. ${this.#ended}`);
  }

  /** The red frame around the screen, with the time left. */
  frame() {
    if (!this.isOn) return nothing;
    const left = Math.max(0, Math.round(this.#until - Date.now() / 1000));
    return html`
      <div class="red-frame"></div>
      <p class="red-bar" role="alert">${icon("eye")}<span>Payloads of <b>${visible(this.#pattern)}</b> are shown</span>
        <span class="left" aria-hidden="true">${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left</span>
        <button type="button" class="btn" @click=${() => this.#end("stopped")}>Hide now</button></p>`;
  }

  /** In the pane: the texts, or the way to them. `entry` has a payload. */
  box(entry) {
    const { reveal } = this.#page.store.session;
    if (this.isOn) return this.#shown();
    return html`
      <section class="reveal">
        <h3>${icon("eye")}Payload<span class="space"></span><span class="tag">hidden</span></h3>
        ${reveal === "ask"
          ? html`<p>It can be shown to you for ten minutes, from now on, for this channel, with a reason that goes to the audit log.</p>
              <div class="row"><button type="button" class="btn" @click=${() => this.ask(entry.channel ?? "")}>Reveal…</button></div>`
          : html`<p>This server shows no payload: <code>console_reveal = "${reveal}"</code>.</p>`}
        ${this.#ended ? html`<p>${this.#ended}</p>` : nothing}
      </section>`;
  }

  #shown() {
    const texts = this.#texts.slice(0, MAX_SHOWN);
    const stop = (event) => event.preventDefault();
    return html`
      <section class="reveal on" @copy=${stop} @cut=${stop} @dragstart=${stop}>
        <h3>${icon("eye")}Payloads, the newest first</h3>
        ${texts.map((it) => html`<div><p class="row">${name(it.event)}<span class="dim">${clock(it.time)}</span></p><p class="dim">${name(it.channel)}</p><pre>${visible(it.data)}</pre></div>`)}
        ${texts.length ? nothing : html`<p>None since it began.</p>`}
      </section>`;
  }
}
