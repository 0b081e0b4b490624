// The quick start of the README, pasted and run against the server.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { webBuildWithEncryption } from './support/builds.mjs';
import { BINARY } from './support/server.mjs';
import { eventually, within } from './support/wait.mjs';

const START = { ms: 15_000 };
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SEALCAST_')));
const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8');

let folder, server, port;
let printed = '';

/** The blocks of a kind in the section "Quick start". */
function blocks(kind) {
  const section = readme.split('\n## Quick start\n')[1].split('\n## ')[0];
  return [...section.matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\`$`, 'gms'))].map(([, block]) => block);
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sealcast-'));
  const [, args] = /^cargo run --release -- (.*)$/m.exec(blocks('sh')[0]);
  const own = ['--listen', '127.0.0.1:0', '--state-dir', folder];
  server = spawn(BINARY, [...args.split(' '), ...own], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => server.kill('SIGKILL'));
  server.stdout.on('data', (chunk) => (printed += chunk));
  await eventually(() => printed.includes('── More'), 'what --dev prints', START);
  [, port] = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(printed);
});

after(async () => {
  const ended = once(server, 'close');
  server.kill('SIGTERM');
  await within(ended, 'the server to stop', START);
  await rm(folder, { recursive: true, force: true });
  // A pusher-js that was closed by the server has a timer of 30 seconds left.
  setTimeout(() => process.exit(), 300).unref();
});

test('page and backend of the quick start deliver the event', async () => {
  const [page, backend] = blocks('js').map((block) => {
    assert.match(block, /\b6001\b/);
    return block.replaceAll('6001', port);
  });
  const seen = [];
  const [, name] = /^import Pusher from "(.*)";$/m.exec(page);
  assert.equal(name, 'pusher-js/with-encryption');
  const source = `${page.replace(/^import .*$/m, '')}\nreturn pusher;`;
  const pusher = new Function('Pusher', 'console', source)(webBuildWithEncryption, { log: (data) => seen.push(data) });
  await eventually(() => pusher.channel('private-encrypted-demo').subscribed, 'the subscription');
  new Function('require', backend)(createRequire(import.meta.url));
  await eventually(() => seen.length > 0, 'the event');
  assert.deepEqual(seen, [{ text: 'Hi' }]);
  assert.ok(readme.includes("The page logs `{ text: \"Hi\" }`"));
  pusher.disconnect();
});

test('the server prints the blocks that the quick start promises', () => {
  for (const block of ['── Node', '── Laravel: .env', '── curl', '── Demo page']) assert.ok(printed.includes(block), block);
  for (const value of ['1001', 'app-key', 'app-secret']) assert.ok(printed.includes(value), value);
});
