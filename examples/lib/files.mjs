// The files that a page may have: its own folder, this library's browser modules, chosen packages.

import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { MISSING } from "./packages.mjs";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
};

const LIBRARY = fileURLToPath(new URL(".", import.meta.url));
const PACKAGES = fileURLToPath(new URL("../node_modules/", import.meta.url));
const FROM_PACKAGES = [
  "pusher-js/dist/web/pusher.min.js",
  "pusher-js/dist/web/pusher-with-encryption.min.js",
  "tweetnacl/nacl-fast.min.js",
  "uqr/dist/index.mjs",
  "@scure/bip39/wordlists/english.js",
];

/** Path to file. Nothing else is ever read, whatever a path contains. */
export function allowedFiles(folder, more = {}) {
  const files = new Map();
  const pages = join(fileURLToPath(folder), "public");
  for (const file of filesBelow(pages)) files.set(`/${relative(pages, file).split(sep).join("/")}`, file);
  if (files.has("/index.html")) files.set("/", files.get("/index.html"));
  for (const file of filesBelow(LIBRARY)) {
    if ([".js", ".css", ".svg"].includes(extname(file))) files.set(`/lib/${relative(LIBRARY, file).split(sep).join("/")}`, file);
  }
  for (const name of FROM_PACKAGES) files.set(`/node_modules/${name}`, join(PACKAGES, name));
  for (const [path, file] of Object.entries(more)) files.set(path, fileURLToPath(file));
  if (!existsSync(PACKAGES)) throw new Error(MISSING);
  return files;
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && Object.hasOwn(TYPES, extname(entry.name)))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

export async function sendFile(response, headers, file, withBody) {
  const bytes = await readFile(file);
  response.writeHead(200, { ...headers, "Content-Type": TYPES[extname(file)], "Content-Length": bytes.length });
  response.end(withBody ? bytes : undefined);
}
