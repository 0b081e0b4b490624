import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

/** Tabs of one origin: each message comes to all others. */
class FakeChannel {
  static all = [];
  static sent = [];
  constructor(name) {
    this.name = name;
    FakeChannel.all.push(this);
  }
  postMessage(data) {
    FakeChannel.sent.push(data);
    for (const other of FakeChannel.all) if (other !== this && other.name === this.name) other.onmessage({ data });
  }
}

const entries = new Map();
const calls = [];
let answer;
Object.assign(globalThis, {
  BroadcastChannel: FakeChannel,
  sessionStorage: { getItem: (name) => entries.get(name) ?? null, setItem: (name, value) => entries.set(name, value), removeItem: (name) => entries.delete(name) },
  fetch: async (_, { method, headers }) => {
    calls.push(`${method} ${headers['sealcast-console-key']}`);
    return Response.json(answer.body, { status: answer.status ?? 200 });
  },
});
mock.timers.enable({ apis: ['setTimeout'] });
const { Api } = await import('../../console/api.js');
const { openSession, regainSession } = await import('../../console/session.js');
const { SessionKey } = await import('../../console/session-key.js');

const KEY = 'k'.repeat(43);
const turn = () => new Promise(setImmediate);
const OTHER = 'o'.repeat(43);
/** A tab has its own storage; a fake one is empty. */
const tab = (value) => {
  entries.clear();
  const key = new SessionKey();
  if (value) key.keep(value);
  return key;
};

beforeEach(() => {
  Object.assign(FakeChannel, { all: [], sent: [] });
  calls.length = 0;
  answer = { body: {} };
});

test('each request but the sign-in brings the key, and no session shows it', async () => {
  const key = tab();
  const api = new Api(key, () => {});
  answer = { body: { session: '402913', key: KEY } };
  assert.deepEqual(await api.signIn({ token: 't' }), { session: '402913' });
  answer = { body: {} };
  for (const run of [() => api.session(), () => api.get('/stats'), () => api.post('/admin/reload'), () => api.signIn({ code: 'c' }), () => api.signOut()]) {
    key.keep(KEY);
    await run();
  }
  assert.deepEqual(calls, ['POST undefined', `GET ${KEY}`, `GET ${KEY}`, `POST ${KEY}`, 'POST undefined', `DELETE ${KEY}`]);
});

test('the key outlives a reload in one entry, and none is left of a forgotten one', () => {
  const key = tab(KEY);
  assert.deepEqual([[...entries.values()], new SessionKey().value], [[KEY], KEY]);
  key.forget();
  assert.deepEqual([entries.size, key.value, new SessionKey().value], [0, undefined, undefined]);
});

test('a new tab gets the key of another one, and nothing but the key', async () => {
  tab(KEY);
  tab();
  const newest = tab();
  assert.deepEqual([await newest.adopt(), newest.value], [true, KEY]);
  assert.deepEqual(FakeChannel.sent, ['key?', { key: KEY }]);
});

test('a tab without an answer waits 300 ms', async () => {
  tab();
  let found = 'waits';
  tab().adopt().then((isFound) => { found = isFound; });
  mock.timers.tick(299);
  await turn();
  assert.equal(found, 'waits');
  mock.timers.tick(1);
  await turn();
  assert.equal(found, false);
});

test('a refused key and what is no key are not taken', async () => {
  tab(KEY);
  const key = tab(KEY);
  const asking = key.adopt();
  FakeChannel.all[0].postMessage({ key: '<b>' });
  FakeChannel.all[0].postMessage(null);
  FakeChannel.all[0].postMessage({ key: OTHER });
  assert.deepEqual([await asking, key.value], [true, OTHER]);
});

test('a refused code leaves the session that there is', async () => {
  const refusals = [];
  const api = { signIn: async () => { throw new Error('used'); }, session: async () => ({ session: '402913' }) };
  const open = (key, code) => openSession({ api, key }, code, (error) => refusals.push(error.message));
  assert.deepEqual(await open(tab(KEY), 'code'), { session: '402913' });
  assert.deepEqual(await open(tab(), 'code'), { session: '402913' });
  assert.deepEqual(refusals, ['used', 'used']);
});

test('without a key the server is not asked', async () => {
  let ends = 0;
  const key = tab();
  const api = new Api(key, () => { ends += 1; });
  const opening = openSession({ api, key }, undefined, () => {});
  mock.timers.tick(300);
  assert.equal(await opening, undefined);
  await assert.rejects(api.get('/stats'), { code: 'console_signed_out' });
  assert.deepEqual([ends, calls], [1, []]);
});

test('a tab whose session was replaced goes on with the key of the other tab', async () => {
  tab(OTHER);
  const key = tab(KEY);
  const api = { session: async () => ({ session: key.value === OTHER ? '2' : '1' }) };
  assert.deepEqual(await regainSession({ api, key }), { session: '2' });
  const waiting = regainSession({ api, key });
  key.forget();
  mock.timers.tick(300);
  assert.deepEqual([await waiting, key.value], [undefined, undefined]);
});

test('a browser that stores nothing keeps the key for the page', () => {
  const { sessionStorage } = globalThis;
  Object.defineProperty(globalThis, 'sessionStorage', { configurable: true, get: () => { throw new Error('denied'); } });
  const key = new SessionKey();
  key.keep(KEY);
  assert.equal(key.value, KEY);
  key.forget();
  Object.defineProperty(globalThis, 'sessionStorage', { configurable: true, writable: true, value: sessionStorage });
});
