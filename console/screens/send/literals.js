// Values as literals of other languages. Texts may hold anything, quotation marks included.

export const shellQuote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** JSON is JavaScript and Python's text; characters that hide or reorder others are escaped. */
export const jsLiteral = (value) => JSON.stringify(value).replace(/[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (char) => `\\u${char.charCodeAt(0).toString(16)}`);

const PHP_TEXT = (text) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

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
