// The packages of a page are those of the tests, in the versions that the page names.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

const here = (name) => join(import.meta.dirname, name);
const PAGES = here('../../docs/frameworks');
/** The module of a phone, for which a test has a stand-in. */
const STAND_INS = ['@react-native-community/netinfo'];

const { devDependencies } = JSON.parse(await readFile(here('package.json'), 'utf8'));
const pinned = await readFile(here('requirements.txt'), 'utf8');
const python = Object.fromEntries([...pinned.matchAll(/^(\S+)==(\S+)$/gm)].map(([, name, version]) => [name.toLowerCase(), version]));
const pages = await Promise.all((await readdir(PAGES)).map(async (name) => [name, await readFile(join(PAGES, name), 'utf8')]));
const compatibility = await readFile(here('../../docs/compatibility.md'), 'utf8');

test('packages that a page installs from npm or PyPI are pinned', () => {
  for (const [page, text] of pages) {
    for (const [, names] of text.matchAll(/npm install ([^\n`]+)/g)) {
      for (const name of names.split(' ')) assert.ok(name in devDependencies || STAND_INS.includes(name), `${page}: ${name}`);
    }
    for (const [, names] of text.matchAll(/^pip install (.+)$/gm)) {
      for (const name of names.split(' ')) assert.ok(name in python, `${page}: ${name}`);
    }
  }
});

test('pages download the tested version of pusher-js', () => {
  for (const [page, text] of pages) {
    for (const [, version] of text.matchAll(/npm\/pusher-js@([\d.]+)\//g)) assert.equal(version, devDependencies['pusher-js'], page);
  }
});

test('the page on compatibility names the tested versions', () => {
  const named = [
    ['Express', devDependencies.express], ['Next.js', devDependencies.next], ['React', devDependencies.react],
    ['Vite', devDependencies.vite], ['laravel-echo', devDependencies['laravel-echo']], ['pusher', devDependencies.pusher],
    ['Django', python.django], ['FastAPI', python.fastapi], ['pusher', python.pusher],
  ];
  for (const [name, version] of named) assert.ok(compatibility.includes(`${name} ${version}`), `${name} ${version}`);
});

test('a page without a test says so', async () => {
  const tests = await readdir(import.meta.dirname);
  for (const [page, text] of pages) {
    if (!tests.includes(page.replace('.md', '.test.mjs'))) assert.match(text, /\*\*Not run by our tests\.\*\*/, page);
  }
});
