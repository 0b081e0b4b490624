import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { escaped, kindOfFact, toneOfFact } from '../../console/screens/audit/kinds.js';
import { curlOf } from '../../console/screens/live/command.js';
import { firstPage } from '../../console/screens/overview/first-page.js';
import { Progress, graceOf } from '../../console/screens/keys/progress.js';
import { codeFor } from '../../console/screens/reference/code.js';
import { exampleOf, fieldsOf, groupsOf, resolved, typeOf } from '../../console/screens/reference/document.js';
import { bytesOf, checkData, isEncrypted, limitsOf, splitChannels, targetOf } from '../../console/screens/send/checks.js';
import { example } from '../../console/screens/send/code.js';
import { jsLiteral, phpLiteral, pythonLiteral, shellQuote } from '../../console/screens/send/literals.js';
import { optionsOf, placeOf, snippet } from '../../console/screens/try/place.js';

const HOSTILE = 'it\'s "q" \\ $HOME `id` ${x} <b>\u202e\n';
const run = (command, args) => spawnSync(command, args, { encoding: 'utf8' }).stdout;

test('any text is one word of a shell and one text of a language', () => {
  assert.equal(run('sh', ['-c', `printf %s ${shellQuote(HOSTILE)}`]), HOSTILE);
  assert.equal(JSON.parse(jsLiteral(HOSTILE)), HOSTILE);
  assert.ok(!jsLiteral(HOSTILE).includes('\u202e'));
  assert.equal(run('python3', ['-c', `import sys; sys.stdout.buffer.write(${pythonLiteral(HOSTILE)}.encode())`]), HOSTILE);
  assert.equal(phpLiteral("a'\\"), "'a\\'\\\\'");
  assert.equal(phpLiteral('\u202e$a"\\'), '"\\u{202e}\\$a\\"\\\\"');
  for (const char of ['\u202e', '\u061c', '\u200b', '\x9b', '\ufeff']) {
    for (const literal of [jsLiteral, phpLiteral, pythonLiteral]) assert.ok(!literal(char).includes(char));
  }
});

test('values become those of the language', () => {
  const value = { a: [true, null, 1.5], b: {} };
  assert.equal(pythonLiteral(value), '{"a": [True, None, 1.5], "b": {}}');
  assert.equal(phpLiteral(value), "['a' => [true, null, 1.5], 'b' => new stdClass()]");
});

test('a fault of JSON has its line and column', () => {
  assert.match(checkData('{"a": 1,\n "b" 2}', false).error, /line 2, column 6/);
  assert.equal(checkData('[1,2]', false).kind, 'a list of 2');
  assert.deepEqual([checkData('{', true), checkData(' ', false)], [{}, {}]);
  assert.equal(bytesOf('é€'), 5);
});

test('channels are split at blanks, and an alias leads to its channel', () => {
  assert.deepEqual(splitChannels(' a  private-x\na '), ['a', 'private-x']);
  assert.equal(targetOf('private-sealed-orders'), 'private-encrypted-orders');
  assert.deepEqual(['private-sealed-a', 'private-encrypted-a', 'private-a'].map(isEncrypted), [true, true, false]);
});

test('limits are those of the app, or the defaults', () => {
  const settings = [{ setting: 'apps.shop.limits.event_bytes', value: 20_480 }, { setting: 'apps.shop.allow_mixed', value: true }];
  assert.deepEqual(limitsOf(settings, 'shop'), { bytes: 20_480, channels: 100, mixed: true });
  assert.deepEqual(limitsOf(undefined, 'chat'), { bytes: 10_240, channels: 100, mixed: false });
});

test('examples have placeholders for secrets and the alias for SDKs', () => {
  globalThis.location = { origin: 'http://127.0.0.1:6002' };
  const page = { store: { session: { public_url: 'https://ws.example.com' } } };
  const lookup = { of: (name) => ({ data: { encryption: { mode: name.endsWith('blind') ? 'blind' : 'sealed' } } }) };
  const settings = [{ setting: 'apps.shop.key', value: 'shop-key' }, { setting: 'apps.shop.secret', value: null, secret: true }];
  const channels = ['private-encrypted-orders', 'private-encrypted-blind'];
  const event = { app: 'shop', channels, name: 'paid', data: { value: { id: 1 } }, body: { channels, data: '{"id":1}' }, page, lookup, settings };
  const [curl, node, php, python] = ['curl', 'node', 'php', 'python'].map((language) => example(language, event));
  assert.match(curl, /Bearer \$ADMIN_TOKEN/);
  assert.match(curl, /127\.0\.0\.1:6002\/admin\/apps\/shop\/events/);
  for (const code of [node, php, python]) {
    assert.match(code, /private-sealed-orders.*private-encrypted-blind/);
    assert.match(code, /SEALCAST_APP_SECRET/);
    assert.match(code, /443/);
  }
});

/** The programs and snippets for clients at this address. */
function programsFor(publicUrl) {
  globalThis.location = { origin: 'http://127.0.0.1:6002' };
  const page = { app: 'shop', store: { session: { public_url: publicUrl } } };
  const lookup = { of: () => ({}) };
  const event = { app: 'shop', channels: ['a'], name: 'paid', data: { value: 1 }, body: { channels: ['a'], data: '1' }, page, lookup };
  const signed = { method: 'GET', path: '/apps/{app_id}/channels', security: [{ signature: [] }], samples: [], parameters: [] };
  const open = { ...signed, path: '/ready', security: [] };
  return [
    ...['node', 'php', 'python'].map((language) => example(language, event)),
    ...['curl', 'python'].map((language) => codeFor(language, signed, {}, page)),
    ...['curl', 'node', 'php', 'python'].map((language) => codeFor(language, open, {}, page)),
    snippet(placeOf(page, 'key')),
    firstPage(publicUrl, 'key'),
  ];
}

test('without an address of clients, programs say in words what to put in', () => {
  for (const program of programsFor('unix:/run/sealcast.sock')) {
    assert.match(program, /(#|\/\/) ADDRESS-OF-CLIENTS: put in the host that clients use/);
    assert.match(program, /["'/]ADDRESS-OF-CLIENTS["'/]/);
    assert.doesNotMatch(program, /unix:|wsHost: ""/);
  }
  const [, php] = programsFor('unix:/run/sealcast.sock');
  assert.match(php, /^<\?php\n\/\/ ADDRESS/);
});

test('an IPv6 address keeps its brackets in programs', () => {
  const programs = programsFor('http://[::1]:6001');
  for (const program of programs) {
    assert.match(program, /\[::1\]/);
    assert.doesNotMatch(program, /ADDRESS/);
  }
  assert.deepEqual(optionsOf(placeOf({ app: 'shop', store: { session: { public_url: 'http://[::1]:6001' } } }, 'key')).wsHost, '[::1]');
});

test('a copied command says where its socket is', () => {
  const command = curlOf('shop', { name: 'it\'s', channel: 'a' });
  assert.match(command.split('\n')[0], /^# .*state_dir/);
  assert.match(run('sh', ['-c', command.replace('curl', 'echo')]), /--unix-socket \.sealcast\/admin\.sock .*"name":"it's"/);
});

const DOCUMENT = {
  tags: [{ name: 'admin', description: 'For operators' }],
  components: { schemas: { Node: { type: 'object', required: ['id'], properties: { id: { type: 'string', examples: ['3'] }, children: { type: 'array', items: { $ref: '#/components/schemas/Node' } } } }, Loop: { $ref: '#/components/schemas/Loop' } } },
  paths: { '/admin/nodes': { get: { operationId: 'nodes', tags: ['admin'], summary: 'List' } }, '/other': { post: { requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Node' } } } } } } },
};

test('operations are grouped by their first tag', () => {
  assert.deepEqual(groupsOf(DOCUMENT).map(({ title, operations }) => [title, operations.map((it) => `${it.method} ${it.path}`)]), [['Admin', ['GET /admin/nodes']], ['Other', ['POST /other']]]);
});

test('references are followed, and circles end', () => {
  const node = { $ref: '#/components/schemas/Node' };
  assert.deepEqual(resolved(DOCUMENT, { $ref: '#/components/schemas/Loop' }).$ref, '#/components/schemas/Loop');
  assert.deepEqual(resolved(DOCUMENT, { $ref: '#/constructor' }), {});
  assert.deepEqual(fieldsOf(DOCUMENT, node).slice(0, 3).map(({ name, type, required }) => [name, type, required]), [['id', 'string', true], ['children', 'list of object', false], ['children[].id', 'string', true]]);
  assert.ok(fieldsOf(DOCUMENT, node).length < 20);
  assert.equal(typeOf(DOCUMENT, { type: ['string', 'null'] }), 'string or null');
  assert.deepEqual(exampleOf(DOCUMENT, node), { id: '3' });
});

test('facts have a kind, and hidden characters are escaped', () => {
  const kinds = ['auth_granted', 'key_revoked', 'rotation_forced', 'admin_action', 'tripwire', 'server_started', 'console_signed_in'].map((event) => kindOfFact({ event }));
  assert.deepEqual(kinds, ['access', 'keys', 'keys', 'operators', 'faults', 'server', 'operators']);
  assert.deepEqual(['auth_denied', 'tripwire', 'auth_granted'].map((event) => toneOfFact({ event })), ['warn', 'bad', '']);
  const json = JSON.stringify({ channel: 'a\u202eb' });
  assert.equal(escaped(json), '{"channel":"a\\u202eb"}');
});

test('pace of a rotation is that of the last answers', (context) => {
  context.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  const progress = new Progress();
  for (const remaining of [1_000, 800, 600]) {
    progress.note({ rotation: { in_progress: true, remaining } });
    context.mock.timers.tick(1_000);
  }
  assert.deepEqual([progress.pace(), progress.isStuck()], [200, false]);
  context.mock.timers.tick(20_000);
  assert.equal(progress.isStuck(), true);
  progress.note({ rotation: { in_progress: false, remaining: 0 } });
  assert.equal(progress.isStuck(), false);
});

test('a rotation names the grace key that subscriptions still have', () => {
  const key = (id, state, subscriptions, since) => ({ id, state, subscriptions, since: `2026-01-01T00:00:0${since}Z` });
  const keys = [key('a', 'grace', 0, 1), key('b', 'active', 4, 3), key('c', 'grace', 1, 2)];
  assert.equal(graceOf(keys).id, 'c');
  assert.equal(graceOf([key('a', 'grace', 0, 1), key('b', 'grace', 0, 2)]).id, 'b');
  assert.equal(graceOf([keys[1]]), undefined);
});
