// What a page of the console loads, compressed, and the length of its files.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const CONSOLE = fileURLToPath(new URL("../../console/", import.meta.url));
const MAX_BYTES = 250_000;
const MAX_LINES = 400;

async function pages() {
  const entries = await readdir(CONSOLE, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return files.filter((file) => /\.(html|js|css|svg)$/.test(file) && !file.includes("/node_modules/"));
}

test("all pages without pusher-js are at most 250,000 bytes compressed", async () => {
  let total = 0;
  for (const file of await pages()) {
    if (!file.includes("/vendor/pusher-js/")) total += gzipSync(await readFile(file), { level: 9 }).length;
  }
  console.log(`the console: ${total} bytes compressed`);
  assert.ok(total > 50_000, `${total} bytes: files are missing`);
  assert.ok(total <= MAX_BYTES, `${total} bytes`);
});

test("no file of the pages or of these tests is longer than 400 lines", async () => {
  const tests = await readdir(new URL(".", import.meta.url));
  const own = tests.filter((name) => name.startsWith("console-")).map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const files = (await pages()).filter((file) => !file.includes("/vendor/"));
  for (const file of [...files, ...own]) {
    const lines = (await readFile(file, "utf8")).split("\n").length - 1;
    assert.ok(lines <= MAX_LINES, `${file} has ${lines} lines`);
  }
});
