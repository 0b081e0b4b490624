// Writes the TOML that Sealcast's configuration needs: tables, lists, texts, numbers, truth values.

export function toToml(object) {
  const lines = [];
  for (const [name, value] of entries(object)) if (!isTable(value)) lines.push(`${key(name)} = ${inline(value)}`);
  for (const [name, value] of entries(object)) if (isTable(value)) writeTable(lines, [name], value);
  return `${lines.join("\n")}\n`;
}

function writeTable(lines, path, table) {
  const plain = entries(table).filter(([, value]) => !isTable(value));
  lines.push("", `[${path.map(key).join(".")}]`, ...plain.map(([name, value]) => `${key(name)} = ${inline(value)}`));
  for (const [name, value] of entries(table)) if (isTable(value)) writeTable(lines, [...path, name], value);
}

const entries = (object) => Object.entries(object).filter(([, value]) => value !== undefined);
const isTable = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const key = (name) => (/^[\w-]+$/.test(name) ? name : JSON.stringify(name));

function inline(value) {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (isTable(value)) return `{ ${entries(value).map(([name, item]) => `${key(name)} = ${inline(item)}`).join(", ")} }`;
  // JSON leaves this one control character as it is, TOML refuses it.
  if (typeof value === "string") return JSON.stringify(value).replaceAll("\x7f", "\\u007f");
  if (typeof value === "boolean" || Number.isFinite(value)) return JSON.stringify(value);
  throw new TypeError(`TOML has no form for ${value}`);
}
