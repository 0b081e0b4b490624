// Looks for planted texts in whatever form they may have travelled or been stored.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The bytes of a text in each form. Base64 has three: one for each place where the text may begin. */
export function formsOf(text) {
  const bytes = Buffer.from(text, "utf8");
  const escaped = JSON.stringify(text).slice(1, -1);
  const ascii = escaped.replace(/[^\x00-\x7f]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const forms = [
    ["raw", bytes],
    ["hex", bytes.toString("hex")],
    ["hex in capitals", bytes.toString("hex").toUpperCase()],
    ["JSON", escaped],
    ["JSON in ASCII", ascii],
    ["JSON in JSON", JSON.stringify(escaped).slice(1, -1)],
    ["ASCII JSON in JSON", JSON.stringify(ascii).slice(1, -1)],
    ["percent encoding", encodeURIComponent(text)],
    ["UTF-16", Buffer.from(text, "utf16le")],
    ...[0, 1, 2].map((before) => [`base64, ${before} bytes in`, base64At(bytes, before)]),
    ...[0, 1, 2].map((before) => [`base64url, ${before} bytes in`, base64At(bytes, before).replaceAll("+", "-").replaceAll("/", "_")]),
  ];
  const known = new Set();
  return forms.map(([form, needle]) => ({ form, needle: Buffer.from(needle) })).filter(({ needle }) => {
    const key = needle.toString("hex");
    return !known.has(key) && known.add(key);
  });
}

/** The letters that depend on this text alone, with `before` bytes in front and anything behind. */
function base64At(bytes, before) {
  const whole = Buffer.concat([Buffer.alloc(before), bytes]);
  const letters = whole.toString("base64").replace(/=+$/, "");
  const first = Math.ceil((before * 8) / 6);
  const last = Math.floor((whole.length * 8) / 6);
  return letters.slice(first, last);
}

/** `sources`: `{ source, bytes }`. A text shorter than this would be found in random bytes. */
const MIN_BYTES = 6;

export function search(sources, texts) {
  const hits = [];
  for (const text of texts) {
    if (Buffer.byteLength(text) < MIN_BYTES) throw new Error(`"${text}" is too short to search for`);
    const forms = formsOf(text);
    for (const { source, bytes } of sources) {
      for (const { form, needle } of forms) if (bytes.includes(needle)) hits.push({ text, form, source });
    }
  }
  return hits;
}

/** Each file below a folder, as a source. */
export async function filesIn(folder, source) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return Promise.all(files.map(async (file) => ({ source: `${source}: ${file.slice(folder.length + 1)}`, bytes: await readFile(file) })));
}
