// The builds of pusher-js, none of them modified on disk.

import { readFileSync } from 'node:fs';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { FetchedXhr } from './xhr.mjs';

const require = createRequire(import.meta.url);

/** The result of `import Pusher from 'pusher-js'` in Node, with encrypted channels. */
export const nodeBuild = require('pusher-js');

/** The build for browsers without encryption, given a window. */
export const webBuild = inBrowser('pusher-js/dist/web/pusher.js');

/** The result of `import Pusher from 'pusher-js/with-encryption'`, given a window. */
export const webBuildWithEncryption = inBrowser('pusher-js/dist/web/pusher-with-encryption.js');

/** The build for web workers, with encryption, given a worker's globals. */
export const workerBuildWithEncryption = evaluated('pusher-js/dist/worker/pusher-with-encryption.worker.js', {
  self: workerScope(),
  WebSocket,
});

export const encryptingBuilds = {
  'pusher-js in Node': nodeBuild,
  'pusher-js/with-encryption in a browser': webBuildWithEncryption,
  'pusher-js/worker/with-encryption': workerBuildWithEncryption,
};

/** Runs a bundle as CommonJS with a few more names in its scope, so that its values belong to this realm. */
function evaluated(bundle, scope) {
  const source = readFileSync(require.resolve(bundle), 'utf8');
  const module = { exports: {} };
  const names = Object.keys(scope);
  const run = new Function('module', 'exports', ...names, `${source}\n//# sourceURL=${bundle}`);
  run(module, module.exports, ...names.map((name) => scope[name]));
  return module.exports.default ?? module.exports;
}

function workerScope() {
  const { setTimeout, clearTimeout, setInterval, clearInterval, btoa, crypto, fetch } = globalThis;
  const listeners = { addEventListener() {}, removeEventListener() {}, navigator: { onLine: true } };
  return { setTimeout, clearTimeout, setInterval, clearInterval, btoa, crypto, fetch, WebSocket, ...listeners };
}

function inBrowser(bundle) {
  const location = { protocol: 'http:', host: 'localhost' };
  const document = { location, body: {}, getElementsByTagName: () => [] };
  const window = { ...workerScope(), document, location, JSON, XMLHttpRequest: FetchedXhr };
  return evaluated(bundle, { window, document, self: window, navigator: window.navigator });
}

/** Replacements in the bundle so that it declares its dialect. */
export const JETSOCKET_SAYS = {
  nothing: [],
  dialect: [["'?protocol='", "'?dialect=jetsocket&protocol='"]],
  clientName: [["'&client=js'", "'&client=jetsocket-js'"]],
};

/** pusher-js speaking Jetsocket: the two prefixes of its events replaced, the rest left as it is. */
export function jetsocketBuild(says) {
  let source = readFileSync(require.resolve('pusher-js'), 'utf8');
  const replacements = [['pusher_internal:', 'jetsocket_internal:'], ['pusher:', 'jetsocket:'], ...says];
  for (const [text, replacement] of replacements) {
    if (!source.includes(text)) throw new Error(`pusher-js does not contain ${text}`);
    source = source.replaceAll(text, replacement);
  }
  const folder = mkdtempSync(join(tmpdir(), 'jetsocket-'));
  try {
    const file = join(folder, 'jetsocket.cjs');
    writeFileSync(file, source);
    const loaded = require(file);
    return loaded.default ?? loaded;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
