// Values as literals of other languages. Texts may hold anything, quotation marks included.

export const shellQuote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Characters that hide or reorder others; those beyond 16 bits have no common notation. */
const HIDDEN = /[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const digits = (char) => char.charCodeAt(0).toString(16).padStart(4, "0");

/** JSON is JavaScript and Python's text. */
export const jsLiteral = (value) => JSON.stringify(value).replace(HIDDEN, (char) => `\\u${digits(char)}`);

const phpPlain = (text) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
const phpEscaped = (text) => `"${text.replace(/[\\"$]/g, "\\$&").replace(HIDDEN, (char) => `\\u{${digits(char)}}`)}"`;
const PHP_TEXT = (text) => (text.search(HIDDEN) < 0 ? phpPlain(text) : phpEscaped(text));

export function phpLiteral(value) {
  if (typeof value === "string") return PHP_TEXT(value);
  if (Array.isArray(value)) return `[${value.map(phpLiteral).join(", ")}]`;
  if (value === null || typeof value !== "object") return String(value);
  const entries = Object.entries(value).map(([name, it]) => `${PHP_TEXT(name)} => ${phpLiteral(it)}`);
  return entries.length ? `[${entries.join(", ")}]` : "new stdClass()";
}

const PYTHON_NAMES = new Map([[true, "True"], [false, "False"], [null, "None"]]);

export function pythonLiteral(value) {
  if (PYTHON_NAMES.has(value)) return PYTHON_NAMES.get(value);
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(", ")}]`;
  if (typeof value !== "object") return jsLiteral(value);
  return `{${Object.entries(value).map(([name, it]) => `${jsLiteral(name)}: ${pythonLiteral(it)}`).join(", ")}}`;
}
