// The snippets of the server and of `sealcast snippet`, run word for word against the server.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import PusherSdk from 'pusher';
import { webBuildWithEncryption } from './support/builds.mjs';
import { BINARY } from './support/server.mjs';
import { eventually, within } from './support/wait.mjs';

const require = createRequire(import.meta.url);
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SEALCAST_')));
const START = { ms: 15_000 };

let folder, server, printed, address;

/** A process whose output is collected; it ends with the test file. */
function started(command, args, options) {
  const child = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  process.once('exit', () => child.kill('SIGKILL'));
  const started = { child, text: '', ended: once(child, 'close') };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (started.text += chunk));
  return started;
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sealcast-'));
  const args = ['serve', '--dev', '--listen', '127.0.0.1:0', '--state-dir', folder];
  server = started(BINARY, args);
  const isWhole = () => server.text.includes('── More');
  await eventually(isWhole, 'what --dev prints', { ...START, detail: () => `: ${server.text}` });
  printed = server.text;
  address = /listening on http:\/\/(\S+)/.exec(printed)[1];
});

after(async () => {
  server.child.kill('SIGTERM');
  await within(server.ended, 'the server to stop', START);
  await rm(folder, { recursive: true, force: true });
  // After a close by the server, pusher-js has a timer of 30 seconds left.
  setTimeout(() => process.exit(), 300).unref();
});

/** The block below a heading. */
function block(title) {
  const lines = printed.split('\n');
  const from = lines.findIndex((line) => line.startsWith(`── ${title}`)) + 1;
  assert.notEqual(from, 0, `no block ${title} in ${printed}`);
  const length = lines.slice(from).findIndex((line) => line.startsWith('── '));
  return `${lines.slice(from, from + length).join('\n').trimEnd()}\n`;
}

async function snippet(name) {
  const args = ['snippet', name, '--dev', '--listen', address];
  return (await promisify(execFile)(BINARY, args, { env: environment })).stdout;
}

test('the block for Node, saved and run, receives its own event', async () => {
  // Beside the packages, as in a user's folder.
  const file = join(import.meta.dirname, `snippet-${process.pid}.run.mjs`);
  await writeFile(file, block('Node'));
  const demo = started(process.execPath, [file]);
  try {
    const isThere = () => demo.text.includes('from Node');
    await eventually(isThere, 'the event', { ...START, detail: () => `: ${demo.text}` });
    assert.match(demo.text, /\{ text: 'from Node' \}/);
  } finally {
    demo.child.kill('SIGKILL');
    await demo.ended;
    await rm(file, { force: true });
  }
});

test('sealcast snippet prints the same as the server', async () => {
  assert.equal(await snippet('node'), block('Node'));
  assert.equal(await snippet('laravel'), block('Laravel'));
});

test('the snippet for pusher-js receives events of SDK and server', async () => {
  const source = await snippet('pusher-js');
  const [, name] = /^import Pusher from "(.*)";$/m.exec(source);
  assert.equal(name, 'pusher-js/with-encryption');
  const seen = [];
  const run = new Function('Pusher', 'console', `${source.replace(/^import .*$/m, '')}\nreturn pusher;`);
  const pusher = run(webBuildWithEncryption, { log: (...line) => seen.push(line) });
  await eventually(() => pusher.channel('private-encrypted-demo').subscribed, 'the subscription');
  const [host, port] = address.split(':');
  const sdk = new PusherSdk({ appId: '1001', key: 'app-key', secret: 'app-secret', host, port, useTLS: false });
  await sdk.trigger('private-sealed-demo', 'hello', { text: 'sealed' });
  await eventually(() => seen.length === 1, 'the event');
  assert.deepEqual(seen, [[{ text: 'sealed' }]]);
  pusher.disconnect();
});

test('the import of the snippet for Next.js loads without a window', async () => {
  const [, name] = /^import Pusher from "(.*)";$/m.exec(await snippet('next'));
  assert.equal(typeof require(name), 'function');
  // The import that it warns of does need one.
  const web = await readFile(require.resolve('pusher-js/dist/web/pusher-with-encryption.js'), 'utf8');
  assert.throws(() => new Function('module', 'exports', web)({ exports: {} }, {}), /(window|self) is not defined/);
});
