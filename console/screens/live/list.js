// The list: a real table of which only the visible rows exist.

import { age, clock, count, plural } from "../../format.js";
import { channelName } from "../../parts/badges.js";
import { html, nothing, ref } from "../../parts/html.js";
import { icon } from "../../parts/icons.js";
import { GAP, channelOf, lineOf } from "./entries.js";

const ROW = 33;
const ROW_ON_PHONE = 78;
const SPARE = 8;
const phone = matchMedia("(max-width: 720px)");

export class List {
  #host;
  #scroller;
  #top = 0;
  #height = 900;
  #observer = new ResizeObserver(() => this.#measure());

  /** `host`: feed, redraw, selected(), select(entry), newest(). */
  constructor(host) {
    this.#host = host;
  }

  get #row() {
    return phone.matches ? ROW_ON_PHONE : ROW;
  }

  #attach = (element) => {
    this.#observer.disconnect();
    this.#scroller = element;
    if (element) this.#observer.observe(element);
  };

  #measure() {
    this.#height = this.#scroller?.clientHeight || this.#height;
    this.#host.redraw();
  }

  #scrolled = () => {
    this.#top = this.#scroller.scrollTop;
    if (this.#top > 0) this.#host.feed.hold();
    this.#host.redraw();
  };

  /** A row that is pressed or has the focus stays where it is. */
  #hold = () => {
    this.#host.feed.hold();
    this.#host.redraw();
  };

  toTop() {
    if (this.#scroller) this.#scroller.scrollTop = 0;
    this.#top = 0;
  }

  /** Brings a row into view and gives it the focus. */
  show(index, seq) {
    const [top, bottom] = [index * this.#row, (index + 1) * this.#row];
    const head = phone.matches ? 0 : ROW;
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top;
    else if (bottom > this.#scroller.scrollTop + this.#height - head) this.#scroller.scrollTop = bottom - this.#height + head;
    this.#host.redraw();
    requestAnimationFrame(() => requestAnimationFrame(() => this.#scroller?.querySelector(`[data-seq="${seq}"]`)?.focus({ preventScroll: true })));
  }

  stop() {
    this.#observer.disconnect();
  }

  /** Rows are reused in place: at 200 entries a second, moving elements costs ten times as much. */
  view() {
    const { feed } = this.#host;
    const from = Math.max(0, Math.floor(this.#top / this.#row) - SPARE);
    const to = Math.min(feed.length, Math.ceil((this.#top + this.#height) / this.#row) + SPARE);
    return html`
      ${feed.fresh > 0 ? html`<button type="button" class="catch" @click=${this.#host.newest}>${icon("up")}${plural(feed.fresh, "new entry", "new entries")}<kbd class="no-phone">.</kbd></button>` : nothing}
      <div class="entries" tabindex="-1" @scroll=${this.#scrolled} @pointerdown=${this.#hold} @focusin=${this.#hold} ${ref(this.#attach)}>
        <table aria-rowcount=${feed.length + 1}>
          <caption class="vh">Entries, the newest first</caption>
          <colgroup><col class="c-time"><col class="c-type"><col class="c-chan"><col><col class="c-n"></colgroup>
          <thead><tr><th scope="col">Time, UTC</th><th scope="col">What</th><th scope="col">Channel</th><th scope="col">Details</th><th scope="col" class="num">Reach</th></tr></thead>
          <tbody>
            ${spacer(from * this.#row)}
            ${feed.slice(from, to).map((entry, at) => this.#entry(entry, from + at))}
            ${spacer((feed.length - to) * this.#row)}
          </tbody>
        </table>
      </div>`;
  }

  #entry(entry, index) {
    if (entry.type === GAP) return html`<tr class="missed" aria-rowindex=${index + 2}><td colspan="5">${age(entry.seconds)} not seen</td></tr>`;
    const line = lineOf(entry);
    const channel = channelOf(entry);
    const isSelected = this.#host.selected() === entry.seq;
    const open = (event) => {
      event.preventDefault();
      this.#host.select(entry);
    };
    return html`
      <tr class="${line.tone === "bad" ? "bad" : ""} ${isSelected ? "selected" : ""}" aria-rowindex=${index + 2}>
        <td class="time">${clock(entry.time)}</td>
        <td class="type"><a class="rowlink kind ${line.tone}" href="#/live" data-seq=${entry.seq} aria-current=${isSelected ? "true" : nothing} @click=${open}>${icon(line.icon)}<bdi>${line.title}</bdi></a></td>
        <td class="chancell">${channel ? channelName(channel) : html`<span class="dim">–</span>`}</td>
        <td class="what"><bdi>${line.text}</bdi></td>
        <td class="n num">${line.reach}</td>
      </tr>`;
  }
}

const spacer = (height) => (height > 0 ? html`<tr class="spacer" aria-hidden="true" .style=${`height: ${height}px`}><td colspan="5"></td></tr>` : nothing);

/** The line below the list. */
export const footer = (feed) => html`
  <p class="count"><span>The newest 5,000 are kept in this tab</span><span class="space"></span>
    ${feed.more ? html`<span>${count(feed.more)} more a second match than are shown: narrow the filter</span>` : nothing}</p>`;
