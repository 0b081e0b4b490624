// A real table. On a phone each row becomes a block of lines. J and K move between the rows' links.

import { html, nothing, repeat } from "./html.js";

/**
 * `columns`: `{ title, cell(row), num?, grow?, hide? }`; the first leads to `link(row)`, if given.
 * `grow` takes the free width and is cut; `hide` leaves the column out on phones.
 * `key(row)` tells rows apart; `selected(row)` marks one.
 */
export function table({ label, columns, rows, key = (_, at) => at, link, selected = () => false }) {
  return html`
    <table class="list">
      <caption class="vh">${label}</caption>
      <thead><tr>${columns.map((it) => html`<th scope="col" class=${styleOf(it)}>${it.title}</th>`)}</tr></thead>
      <tbody>${repeat(rows, key, (row) => tableRow(row, columns, link, selected(row)))}</tbody>
    </table>`;
}

const tableRow = (row, columns, link, isSelected) => html`
  <tr class=${isSelected ? "selected" : ""}>
    ${columns.map((it, at) => html`<td class=${styleOf(it)} data-label=${typeof it.title === "string" ? it.title : nothing}>${at === 0 && link
      ? html`<a class="rowlink" href=${link(row)} aria-current=${isSelected ? "true" : nothing}>${it.cell(row)}</a>`
      : it.cell(row)}</td>`)}
  </tr>`;

const styleOf = ({ num, grow, hide }) => [num && "num", grow && "grow", hide && "no-phone"].filter(Boolean).join(" ");
