// Reading an OpenAPI document: references, groups, fields and examples.

const METHODS = ["get", "post", "put", "patch", "delete"];
const MAX_DEPTH = 6;

/** What a `$ref` of this document points to. */
export function resolved(document, value, depth = 0) {
  if (!value?.$ref || depth > MAX_DEPTH) return value ?? {};
  const parts = value.$ref.replace(/^#\//, "").split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const target = parts.reduce((place, part) => (place && Object.hasOwn(place, part) ? place[part] : undefined), document);
  return resolved(document, target, depth + 1);
}

/** Groups by the first tag, in the order of the document's tags. */
export function groupsOf(document) {
  const groups = new Map();
  for (const tag of document.tags ?? []) groups.set(tag.name, { name: tag.name, title: titled(tag.name), description: tag.description, id: idOf(tag.name), operations: [] });
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const method of METHODS.filter((it) => item[it])) {
      const operation = operationOf(document, path, item, method);
      const name = operation.tag;
      if (!groups.has(name)) groups.set(name, { name, title: titled(name), id: idOf(name), operations: [] });
      groups.get(name).operations.push(operation);
    }
  }
  return [...groups.values()].filter((group) => group.operations.length);
}

const titled = (name) => `${name[0]?.toUpperCase() ?? ""}${name.slice(1)}`;
const idOf = (name) => name.replace(/\W+/g, "-");

function operationOf(document, path, item, method) {
  const it = item[method];
  return {
    id: it.operationId ?? `${method} ${path}`,
    method: method.toUpperCase(),
    path,
    tag: it.tags?.[0] ?? "other",
    summary: it.summary ?? "",
    description: it.description,
    parameters: [...(item.parameters ?? []), ...(it.parameters ?? [])].map((one) => resolved(document, one)),
    body: it.requestBody ? resolved(document, it.requestBody) : undefined,
    responses: Object.entries(it.responses ?? {}).map(([status, response]) => ({ status, ...resolved(document, response) })),
    security: it.security ?? document.security ?? [],
    samples: it["x-codeSamples"] ?? [],
  };
}

/** `[type, schema]` of the first content, JSON before others. */
export function contentOf({ content = {} } = {}) {
  const types = Object.keys(content);
  const type = types.find((it) => /json/.test(it)) ?? types[0];
  return type ? [type, content[type]] : undefined;
}

/** Rows of a table: `{ name, type, required, description }`, objects within objects included. */
export function fieldsOf(document, schema, prefix = "", depth = 0) {
  const it = merged(document, schema);
  if (depth > 3) return [];
  if (it.type === "array" || it.items) return fieldsOf(document, it.items, `${prefix}[].`.replace(".[]", "[]"), depth + 1);
  return Object.entries(it.properties ?? {}).flatMap(([name, property]) => {
    const field = merged(document, property);
    const path = `${prefix}${name}`;
    const inner = field.properties ? fieldsOf(document, field, `${path}.`, depth + 1) : field.items && merged(document, field.items).properties ? fieldsOf(document, field.items, `${path}[].`, depth + 1) : [];
    return [{ name: path, type: typeOf(document, field), required: it.required?.includes(name) ?? false, description: field.description, bounds: boundsOf(field) }, ...inner];
  });
}

/** Parts of `allOf` as one. */
function merged(document, schema) {
  const it = resolved(document, schema);
  if (!it.allOf) return it;
  const parts = it.allOf.map((part) => merged(document, part));
  return Object.assign({}, ...parts, it, { properties: Object.assign({}, ...parts.map((part) => part.properties), it.properties), required: parts.flatMap((part) => part.required ?? []).concat(it.required ?? []) });
}

export function typeOf(document, schema) {
  const it = merged(document, schema);
  const choices = it.oneOf ?? it.anyOf;
  if (choices) return choices.map((one) => typeOf(document, one)).join(" or ");
  if (it.enum) return it.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (it.const !== undefined) return JSON.stringify(it.const);
  const types = [it.type ?? (it.properties ? "object" : "any")].flat();
  return types.map((type) => (type === "array" ? `list of ${typeOf(document, it.items)}` : type)).join(" or ");
}

export function boundsOf({ minimum, maximum, minLength, maxLength, minItems, maxItems, default: usual, pattern }) {
  const range = (low, high, unit) => (low === undefined && high === undefined ? undefined : `${low ?? "up"} to ${high ?? "any"}${unit}`.replace("up to", "up to").replace(" to any", " or more"));
  return [range(minimum, maximum, ""), range(minLength, maxLength, " characters"), range(minItems, maxItems, " entries"), pattern && `matches ${pattern}`, usual !== undefined && `default ${JSON.stringify(usual)}`].filter(Boolean).join(", ");
}

/** A value as the document's example, or made of its types. */
export function exampleOf(document, schema, depth = 0) {
  const it = merged(document, schema);
  if (it.example !== undefined) return it.example;
  if (it.examples?.length) return it.examples[0];
  if (it.default !== undefined) return it.default;
  if (it.enum) return it.enum[0];
  if (depth > 4) return null;
  if (it.oneOf ?? it.anyOf) return exampleOf(document, (it.oneOf ?? it.anyOf)[0], depth + 1);
  const type = [it.type ?? (it.properties ? "object" : "string")].flat().find((one) => one !== "null");
  if (type === "object") {
    const needed = Object.entries(it.properties ?? {}).filter(([name], at) => it.required?.includes(name) || (!it.required && at < 4));
    return Object.fromEntries(needed.map(([name, property]) => [name, exampleOf(document, property, depth + 1)]));
  }
  if (type === "array") return [exampleOf(document, it.items, depth + 1)];
  return { integer: it.minimum ?? 1, number: it.minimum ?? 1, boolean: true }[type] ?? "…";
}
