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
const { SessionKey } = await import('../../console/session-key.js');

const KEY = 'k'.repeat(43);
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
  assert.equal(await tab().ask(), KEY);
  assert.deepEqual(FakeChannel.sent, ['key?', { key: KEY }]);
});

test('a tab without an answer waits 300 ms', async () => {
  tab();
  let found = 'waits';
  tab().ask().then((key) => { found = key; });
  mock.timers.tick(299);
  await Promise.resolve();
  assert.equal(found, 'waits');
  mock.timers.tick(1);
  await Promise.resolve();
  assert.equal(found, undefined);
});

test('a refused key and what is no key are not taken', async () => {
  tab(KEY);
  const asking = tab().ask(KEY);
  FakeChannel.all[0].postMessage({ key: '<b>' });
  FakeChannel.all[0].postMessage(null);
  FakeChannel.all[0].postMessage({ key: OTHER });
  assert.equal(await asking, OTHER);
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
