// API reference: the OpenAPI document of this server, by group.

import { plural } from "../format.js";
import { choice } from "../parts/badges.js";
import { html, live, nothing } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { emptyState, skeletonBlock, stateful } from "../parts/states.js";
import { operationView } from "./reference/operation.js";
import { groupsOf } from "./reference/document.js";

export function create(page) {
  const document = page.resource(async (signal) => {
    const answer = await page.api.get("/openapi.json", {}, signal);
    return { answer, groups: groupsOf(answer) };
  });
  const view = { text: "", group: "", open: new Set(page.route.path.slice(0, 1)), language: "curl" };
  const set = (name) => (value) => {
    view[name] = value;
    page.redraw();
  };
  const toggle = (id) => (event) => {
    if (event.target.open) view.open.add(id);
    else view.open.delete(id);
    page.redraw();
  };

  const content = ({ answer, groups }) => {
    const wanted = view.text.trim().toLowerCase();
    const shown = groups
      .filter((group) => !view.group || group.name === view.group)
      .map((group) => ({ ...group, operations: group.operations.filter((it) => `${it.method} ${it.path} ${it.summary}`.toLowerCase().includes(wanted)) }))
      .filter((group) => group.operations.length);
    return html`
      <div class="filters" role="search">
        <label class="find">${icon("search")}<span class="vh">Filter</span><input data-filter type="search" placeholder="Method, path or words" autocomplete="off" spellcheck="false" .value=${live(view.text)} @input=${(event) => set("text")(event.target.value)}><kbd class="no-phone">/</kbd></label>
        ${groups.length > 1 ? choice("Group", [["", "All"], ...groups.map((group) => [group.name, group.title])], view.group, set("group")) : nothing}
      </div>
      ${shown.length ? shown.map((group) => section(group)) : emptyState("No request matches.", html`<button type="button" class="btn" @click=${() => Object.assign(view, { text: "", group: "" }) && page.redraw()}>Show all</button>`, "book")}
      <p class="dim">${answer.info?.title} ${answer.info?.version}, OpenAPI ${answer.openapi}. The document: <a class="more" href="openapi.json">openapi.json</a></p>`;
  };

  const section = (group) => html`
    <section class="card" aria-labelledby=${`h-${group.id}`}>
      <header><h2 id=${`h-${group.id}`}>${group.title}</h2><span class="space"></span><span class="dim">${plural(group.operations.length, "request")}</span></header>
      ${group.description ? html`<p class="in dim">${group.description}</p>` : nothing}
      <div class="operations">${group.operations.map((it) => operation(it))}</div>
    </section>`;

  const operation = (it) => html`
    <details class="operation" ?open=${view.open.has(it.id)} @toggle=${toggle(it.id)}>
      <summary><span class="method ${it.method.toLowerCase()}">${it.method}</span><code class="path">${it.path}</code><span class="dim">${it.summary}</span></summary>
      ${view.open.has(it.id) ? operationView(page, it, document.data.answer, view.language, set("language")) : nothing}
    </details>`;

  return {
    body: () => stateful(document, { content, skeleton: () => html`<div class="card">${skeletonBlock("tall")}</div><div class="card">${skeletonBlock("tall")}</div>`, isEmpty: ({ groups }) => groups.length === 0, empty: () => emptyState("The document has no request.", nothing, "book") }),
    state: () => ["Connected", ""],
  };
}
