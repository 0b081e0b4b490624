// One request: parameters, body, responses and code.

import { choice, tag } from "../../parts/badges.js";
import { codeBlock } from "../../parts/copy.js";
import { html, nothing } from "../../parts/html.js";
import { table } from "../../parts/table.js";
import { boundsOf, contentOf, fieldsOf, typeOf } from "./document.js";
import { LANGUAGES, authOf, codeFor } from "./code.js";

export function operationView(page, it, document, language, choose) {
  const body = it.body && contentOf(it.body);
  return html`
    <div class="in">
      ${it.description && it.description !== it.summary ? html`<p class="prose">${it.description}</p>` : nothing}
      <p class="dim">${authOf(it)}</p>
      ${it.parameters.length ? part("Parameters", fieldTable("Parameters", it.parameters.map((one) => ({ name: one.name, type: typeOf(document, one.schema), required: one.required, place: one.in, description: one.description, bounds: boundsOf(one.schema ?? {}) })))) : nothing}
      ${body ? part(html`Body <span class="dim">${body[0]}</span>`, bodyFields(document, body[1].schema)) : nothing}
      ${part("Responses", html`<ul class="responses">${it.responses.map((response) => responseRow(document, response))}</ul>`)}
      <div>
        <div class="row between"><h3 class="sub-title">Code</h3><span class="space"></span>${choice("Language", LANGUAGES, language, choose)}</div>
        ${codeBlock(page, codeFor(language, it, document, page))}
      </div>
    </div>`;
}

const part = (title, content) => html`<div><h3 class="sub-title">${title}</h3>${content}</div>`;

function bodyFields(document, schema) {
  const fields = fieldsOf(document, schema);
  return fields.length ? fieldTable("Body", fields) : html`<p class="dim">${typeOf(document, schema)}</p>`;
}

const fieldTable = (label, rows) => table({
  label,
  rows,
  key: (field) => `${field.place} ${field.name}`,
  columns: [
    { title: "Name", cell: (field) => html`<code><b>${field.name}</b></code>${field.required ? html` ${tag("required", "wax")}` : nothing}` },
    { title: "Type", cell: (field) => html`${field.type}${field.place && field.place !== "path" ? html` <span class="dim">in the ${field.place}</span>` : nothing}` },
    { title: "Meaning", cell: (field) => html`${field.description ?? ""}${field.bounds ? html` <span class="dim">${field.bounds}</span>` : nothing}` },
  ],
});

function responseRow(document, response) {
  const content = contentOf(response);
  const tone = /^2/.test(response.status) ? "open" : /^[45]/.test(response.status) ? "bad" : "";
  const refusals = refusalsOf(content);
  if (refusals.length) return html`<li><details><summary>${tag(response.status, tone)}<span>${refusals.map((it, at) => html`${at ? ", " : nothing}<code>${it.code}</code>`)}</span></summary>${refusalTable(response.status, refusals)}</details></li>`;
  const fields = content ? fieldsOf(document, content[1].schema) : [];
  const head = html`${tag(response.status, tone)}<span>${response.description ?? ""}</span>`;
  const example = content?.[1].example ?? Object.values(content?.[1].examples ?? {})[0]?.value;
  if (!fields.length && example === undefined) return html`<li class="plain-row">${head}</li>`;
  return html`<li><details><summary>${head}</summary>${fields.length ? fieldTable(`Response ${response.status}`, fields) : nothing}${example === undefined ? nothing : html`<pre class="small-code" tabindex="0">${JSON.stringify(example, null, 2)}</pre>`}</details></li>`;
}

/** Examples that are errors: `{ code, error, fix }`. */
const refusalsOf = (content) =>
  Object.values(content?.[1].examples ?? {}).filter(({ value }) => value?.code && value.error).map(({ summary, value }) => ({ ...value, fix: value.fix ?? summary }));

const refusalTable = (status, rows) => table({
  label: `Codes of ${status}`,
  rows,
  key: (it) => it.code,
  columns: [
    { title: "Code", cell: (it) => html`<code><b>${it.code}</b></code>` },
    { title: "Meaning", cell: (it) => it.error },
    { title: "Fix", cell: (it) => it.fix ?? "" },
  ],
});
