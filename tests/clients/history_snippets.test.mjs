// JavaScript of docs/history.md and docs/streams.md, and the heads of the files in examples/lib, word for word.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import nacl from 'tweetnacl';
import * as recoverLibrary from '../../examples/lib/recover.js';
import * as streamLibrary from '../../examples/lib/stream.js';
import { aSealingApp } from './support/app.mjs';
import { nodeBuild } from './support/builds.mjs';
import { optionsFor } from './support/client.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';
import { eventually } from './support/wait.mjs';

const history = { events: 3, client_events: true };
const app = aSealingApp({ authorizer: 'open', channels: [{ pattern: '*', history }] });
const rig = serve({ apps: [app] });
const root = new URL('../../', import.meta.url);
const read = (path) => readFile(new URL(path, root), 'utf8');

/** The JavaScript block of a document with these words. */
async function snippet(path, words) {
  const blocks = [...(await read(path)).matchAll(/^```js\n(.*?)^```/gms)].map(([, text]) => text);
  const found = blocks.filter((text) => text.includes(words));
  assert.equal(found.length, 1, `${path}: ${words}`);
  return found[0];
}

/** Runs a block with these names, its imports taken from `scope`, and returns its variables. */
async function run(text, scope, variables = []) {
  const code = text.replace(/^import .*$/gm, '');
  const body = `return (async () => {\n${code}\nreturn { ${variables.join(', ')} };\n})()`;
  return new Function(...Object.keys(scope), body)(...Object.values(scope));
}

/** The block's addresses replaced by the server's. */
const here = (text) => text
  .replaceAll(/https:\/\/(ws\.)?example\.com/g, rig.href('/').slice(0, -1))
  .replaceAll(/\/app\/(shop|app)-key/g, `/app/${app.key}`);

async function token(channels, allow) {
  const answer = await rig.sdk(app).post({ path: '/tokens', body: { user_id: 'u1', channels, allow, ttl: 600 } });
  return (await answer.json()).token;
}

const publish = (channel, data) => publishPlaintext(rig.sdk(app), channel, 'message', data);

test('recover.js as shown catches up and tells gaps (docs/history.md)', async () => {
  const logged = [];
  const proxy = await rig.proxy();
  const options = optionsFor(rig.server.url, { ...rig.endpoint(app), wsPort: proxy.port });
  const text = (await snippet('docs/history.md', './recover.js')).replace('"app-key"', JSON.stringify(app.key));
  const scope = { ...recoverLibrary, Pusher: nodeBuild, options, console: { log: (...line) => logged.push(line) } };
  const { pusher } = await run(text, scope, ['pusher']);
  rig.leaves(() => pusher.disconnect());
  const reasons = [];
  await run(await snippet('docs/history.md', 'pusher.bind("sealcast:gap"'), { pusher, reload: (reason) => reasons.push(reason) });
  const channel = pusher.subscribe('private-encrypted-room-7');
  const texts = [];
  channel.bind('message', (data) => texts.push(data));
  await eventually(() => channel.subscribed, 'the subscription');
  for (const missed of [['a'], ['b', 'c', 'd', 'e']]) {
    proxy.down();
    await eventually(() => pusher.connection.state === 'connecting', 'the cut');
    for (const data of missed) await publish(channel.name, data);
    proxy.up();
    await eventually(() => (missed.length > history.events ? logged : texts).length > 0, 'what was missed');
  }
  assert.deepEqual(texts, ['a']);
  assert.deepEqual(logged, [[channel.name, 'evicted']]);
  assert.deepEqual(reasons, ['evicted']);
});

test('a page reads the history and publishes as shown (docs/history.md)', async () => {
  const [publishing, paging] = [await snippet('docs/history.md', 'client-message'), await snippet('docs/history.md', 'limit=50')];
  const scope = { token: await token(['private-room-7', 'private-encrypted-room-7'], ['subscribe', 'history', 'trigger']) };
  await run(here(publishing), scope);
  await publish('private-room-7', 'hello');
  const { page } = await run(here(paging), scope, ['page']);
  assert.deepEqual(page.events.map(({ name, data }) => [name, data]), [['message', 'hello']]);
  assert.deepEqual([page.more, page.gap, page.position], [false, null, page.events[0].position]);
  const sealed = await run(here(paging.replace('private-room-7', 'private-encrypted-room-7')), scope, ['page']);
  assert.equal(sealed.page.events[0].name, 'client-message');
});

/** Notes the address that a block opens. */
class FakeEventSource {
  constructor(url) {
    this.url = url;
  }
}

test('a ticket as shown opens a stream (docs/streams.md)', async () => {
  const scope = { token: await token(['private-orders'], ['subscribe']), EventSource: FakeEventSource };
  const { source } = await run(here(await snippet('docs/streams.md', '/tickets')), scope, ['source']);
  const ending = new AbortController();
  rig.leaves(() => ending.abort());
  const answer = await fetch(source.url, { signal: ending.signal });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type').split(';')[0], 'text/event-stream');
});

test('a public stream is read as shown (docs/streams.md)', async () => {
  const shown = [];
  let others = 0;
  const scope = { EventSource: FakeEventSource, show: (...event) => shown.push(event), openAnother: () => (others += 1) };
  const { source } = await run(here(await snippet('docs/streams.md', 'onmessage')), scope, ['source']);
  const ending = new AbortController();
  rig.leaves(() => ending.abort());
  const answer = await fetch(source.url, { signal: ending.signal });
  await publish('news', 'Hello');
  let text = '';
  for await (const chunk of answer.body) {
    text += Buffer.from(chunk).toString();
    if (text.includes('Hello') && text.endsWith('\n\n')) break;
  }
  for (const [, data] of text.matchAll(/^data: (.*)$/gm)) source.onmessage({ data });
  assert.deepEqual(shown, [['news', 'message', 'Hello']]);
  source.readyState = 0;
  source.onerror();
  source.readyState = 2;
  source.onerror();
  assert.equal(others, 1);
});

/** The example in the head of a file, as code. */
async function head(path) {
  const lines = (await read(path)).split('\n');
  const comment = lines.slice(0, lines.findIndex((line) => !line.startsWith('//')));
  return comment.filter((line) => line.startsWith('//   ')).map((line) => line.slice(5)).join('\n').replaceAll('...', 'undefined');
}

test('the heads of the files in examples/lib fit their functions', async () => {
  const called = [];
  const scope = { recover: (...given) => called.push(given), Pusher: class {}, KEY: app.key, options: {} };
  const { pusher } = await run(await head('examples/lib/recover.js'), scope, ['pusher']);
  assert.equal(called[0][0], pusher);
  assert.deepEqual(Object.keys(called[0][2]), ['onGap']);

  let given;
  const openStream = (settings) => {
    given = settings;
    // The ticket never comes, so nothing is opened.
    return streamLibrary.openStream({ ...settings, ticket: () => new Promise(() => {}) });
  };
  await run(await head('examples/lib/stream.js'), { openStream, nacl });
  const [, parameters] = /openStream\(\{ (.*?) \}\)/.exec(streamLibrary.openStream.toString());
  assert.deepEqual(Object.keys(given).sort(), parameters.split(', ').sort());
});
