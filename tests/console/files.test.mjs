import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../console');
const MAX_LINES = 400;
/** Ways to interpret text as markup or style, which the pages' CSP forbids as well. */
const FORBIDDEN = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|unsafe(HTML|SVG|Static)|\beval\(|new Function|\sstyle=|indexedDB|document\.cookie/;

const files = readdirSync(ROOT, { recursive: true }).filter((file) => /\.(js|css|html)$/.test(file) && !file.startsWith('vendor/'));
const textOf = (file) => readFileSync(join(ROOT, file), 'utf8');

test('files are small', () => {
  assert.ok(files.length > 30);
  assert.deepEqual(files.filter((file) => textOf(file).split('\n').length > MAX_LINES), []);
});

test('no text becomes markup, and nothing is stored but preferences and the session key', () => {
  assert.deepEqual(files.filter((file) => FORBIDDEN.test(textOf(file))), []);
  assert.deepEqual(files.filter((file) => textOf(file).includes('localStorage')), ['prefs.js']);
  assert.deepEqual(files.filter((file) => textOf(file).includes('sessionStorage')), ['session-key.js']);
});

test('each import leads to a file', () => {
  const missing = [];
  for (const file of files.filter((it) => it.endsWith('.js'))) {
    for (const [, path] of textOf(file).matchAll(/(?:from|import\() ?"(\.[^"]+)"/g)) if (!existsSync(join(ROOT, dirname(file), path))) missing.push(`${file}: ${path}`);
  }
  for (const [, path] of textOf('index.html').matchAll(/(?:href|src)="console\/([^"]+)"/g)) if (!existsSync(join(ROOT, path))) missing.push(`index.html: ${path}`);
  assert.deepEqual(missing, []);
});
