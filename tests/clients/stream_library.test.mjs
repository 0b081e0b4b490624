// examples/lib/stream.js with a fake EventSource, in orders of messages that a real one gives rarely.
// The real one is in tests/browser/stream_page.test.mjs.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import nacl from 'tweetnacl';
import { openStream } from '../../examples/lib/stream.js';
import { sealed } from './support/envelope.mjs';
import { eventually } from './support/wait.mjs';

const ROOM = 'private-encrypted-room';
const keyOf = (version) => new Uint8Array(nacl.secretbox.keyLength).fill(version);

/** Keeps what it was opened with, and takes the messages of the test. */
class FakeEventSource {
  static opened = [];
  readyState = 1;
  lastEventId = '';

  constructor(url) {
    this.query = new URL(url).searchParams;
    FakeEventSource.opened.push(this);
  }

  message(event, channel, data, id) {
    this.lastEventId = id ?? this.lastEventId;
    this.onmessage({ data: JSON.stringify({ event, channel, data }), lastEventId: this.lastEventId });
  }

  shakeHands(socketId, id) {
    this.message('pusher:connection_established', undefined, JSON.stringify({ socket_id: socketId }), id);
  }

  /** An event sealed under the key of this version. */
  sealed(version, text, id) {
    this.message('note', ROOM, sealed(text, keyOf(version)), id);
  }

  givesUp() {
    this.readyState = 2;
    this.onerror();
  }

  close() {
    this.readyState = 2;
  }
}

const real = globalThis.EventSource;
beforeEach(() => {
  FakeEventSource.opened = [];
  globalThis.EventSource = FakeEventSource;
});
afterEach(() => {
  stream?.close();
  globalThis.EventSource = real;
});

let stream;

/** A stream whose secrets the test gives, one for each request. */
async function open() {
  const told = [];
  const requests = [];
  const states = [];
  stream = openStream({
    url: 'http://127.0.0.1/app/key',
    channels: [ROOM, 'news'],
    nacl,
    secret: (channel, socketId) => new Promise((resolve, reject) => {
      requests.push({ socketId, refuse: reject, answer: (version) => resolve(Buffer.from(keyOf(version)).toString('base64')) });
    }),
    onEvent: ({ channel, data }) => told.push(`${channel}: ${data}`),
    onGap: ({ channel, reason }) => told.push(`${channel} gap: ${reason}`),
    onState: (state) => states.push(state),
  });
  const source = await opened(1);
  source.shakeHands('1.1', 'id 0');
  return { source, told, requests, states };
}

async function opened(count) {
  await eventually(() => FakeEventSource.opened.length === count, `stream ${count}`);
  return FakeEventSource.opened[count - 1];
}

const settled = () => new Promise(setImmediate);

test('another EventSource asks from the newest event, and held events come once and in order (streams.md)', async () => {
  const { source, told, requests } = await open();
  source.sealed(1, 'a', 'id 1');
  source.message('note', 'news', 'b', 'id 2');
  source.sealed(1, 'c', 'id 3');
  assert.deepEqual(told, ['news: b']);
  source.givesUp();
  const second = await opened(2);
  assert.equal(second.query.get('last_event_id'), 'id 3');
  second.shakeHands('1.2', 'id 3');
  second.sealed(1, 'd', 'id 4');
  requests[0].answer(1);
  await settled();
  assert.deepEqual(told, ['news: b', `${ROOM}: a`, `${ROOM}: c`, `${ROOM}: d`]);
});

test('messages without an id keep the place of the stream (streams.md)', async () => {
  const { source } = await open();
  source.givesUp();
  const second = await opened(2);
  assert.equal(second.query.get('last_event_id'), 'id 0');
  second.shakeHands('1.2');
  second.message('note', 'news', 'not logged');
  second.givesUp();
  assert.equal((await opened(3)).query.get('last_event_id'), 'id 0');
});

test('the secret of a former connection loses no event of the present one (streams.md)', async () => {
  const { source, told, requests } = await open();
  source.sealed(2, 'a');
  source.shakeHands('1.2');
  requests[0].answer(1);
  await settled();
  assert.deepEqual(told, []);
  assert.deepEqual(requests.map(({ socketId }) => socketId), ['1.1', '1.2']);
  requests[1].answer(2);
  await settled();
  assert.deepEqual(told, [`${ROOM}: a`]);
});

test('events under a secret that nothing opens are one gap, and a later key is asked for (streams.md)', async () => {
  const { source, told, requests } = await open();
  for (let n = 0; n < 20; n += 1) source.sealed(1, `old ${n}`);
  requests[0].answer(2);
  await settled();
  assert.deepEqual(told, [`${ROOM} gap: sealed`]);
  source.sealed(3, 'changed');
  assert.equal(requests.length, 2);
  requests[1].answer(3);
  await settled();
  assert.deepEqual(told, [`${ROOM} gap: sealed`, `${ROOM}: changed`]);
});

test('a gap of an encrypted channel comes behind the events held before it (streams.md)', async () => {
  const { source, told, requests } = await open();
  source.sealed(1, 'a', 'id 1');
  source.message('sealcast:gap', ROOM, '{"reason":"cleared","position":"p"}');
  source.message('sealcast:gap', 'news', '{"reason":"evicted","position":"p"}');
  source.sealed(1, 'b', 'id 2');
  requests[0].answer(1);
  await settled();
  assert.deepEqual(told, ['news gap: evicted', `${ROOM}: a`, `${ROOM} gap: cleared`, `${ROOM}: b`]);
});

test('a page hidden for 30 seconds lets go of its stream, and resumes it when shown', async () => {
  const page = Object.assign(new EventTarget(), { hidden: false });
  const show = (isShown) => {
    page.hidden = !isShown;
    page.dispatchEvent(new Event('visibilitychange'));
  };
  globalThis.document = page;
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { source, told } = await openVisible();
    source.message('note', 'news', 'a', 'id 1');
    show(false);
    mock.timers.tick(29_000);
    show(true);
    mock.timers.tick(29_000);
    assert.equal(source.readyState, 1, 'shown in time');
    show(false);
    mock.timers.tick(30_000);
    assert.equal(source.readyState, 2);
    stream.retry();
    mock.timers.tick(60_000);
    assert.equal(FakeEventSource.opened.length, 1, 'nothing is opened while hidden');
    show(true);
    await settled();
    assert.equal(FakeEventSource.opened[1].query.get('last_event_id'), 'id 1');
    stream.close();
    show(false);
    show(true);
    await settled();
    assert.equal(FakeEventSource.opened.length, 2, 'a closed stream stays closed');
    assert.deepEqual(told, ['news: a']);
  } finally {
    mock.timers.reset();
    delete globalThis.document;
  }
});

test('a retry by hand comes before the next try, and opens one stream', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const { source, frames } = await openVisible();
    source.givesUp();
    assert.ok(stream.retryAt > Date.now());
    stream.retry();
    stream.retry();
    await settled();
    assert.equal(FakeEventSource.opened.length, 2);
    mock.timers.tick(60_000);
    await settled();
    assert.equal(FakeEventSource.opened.length, 2);
    assert.equal(stream.retryAt, undefined);
    stream.retry();
    assert.equal(FakeEventSource.opened.length, 2, 'an open stream stays');
    assert.deepEqual(frames[0].text, JSON.stringify({ event: 'pusher:connection_established', data: JSON.stringify({ socket_id: '1.1' }) }));
    assert.equal(frames[0].bytes, frames[0].text.length);
  } finally {
    mock.timers.reset();
  }
});

/** Like `open`, without a wait by the clock. */
async function openVisible() {
  const told = [];
  const frames = [];
  stream = openStream({
    url: 'http://127.0.0.1/app/key', channels: ['news'], ticket: async () => 't',
    onEvent: ({ channel, data }) => told.push(`${channel}: ${data}`), onFrame: (frame) => frames.push(frame),
  });
  await settled();
  const [source] = FakeEventSource.opened;
  source.shakeHands('1.1', 'id 0');
  return { source, told, frames };
}

test('an altered event of an encrypted channel is a gap, and holds no other back (streams.md)', async () => {
  const { source, told, requests } = await open();
  source.sealed(1, 'a', 'id 1');
  requests[0].answer(1);
  await settled();
  source.message('note', ROOM, 'no envelope', 'id 2');
  await eventually(() => requests.length === 2, 'another request for the secret');
  source.sealed(1, 'b', 'id 3');
  requests[1].answer(1);
  await settled();
  assert.deepEqual(told, [`${ROOM}: a`, `${ROOM} gap: sealed`, `${ROOM}: b`]);
});

test('a page opened in the background lets go of its stream as well (streams.md)', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const page = Object.assign(new EventTarget(), { hidden: true });
  globalThis.document = page;
  t.after(() => delete globalThis.document);
  const states = [];
  stream = openStream({ url: 'http://127.0.0.1/app/key', channels: ['news'], onEvent() {}, onState: (state) => states.push(state) });
  await settled();
  t.mock.timers.tick(30_000);
  assert.deepEqual(states, ['paused']);
  assert.equal(FakeEventSource.opened[0].readyState, 2);
  page.hidden = false;
  page.dispatchEvent(new Event('visibilitychange'));
  await settled();
  assert.equal(FakeEventSource.opened.length, 2);
});

const refusal = (status, code) => Object.assign(new Error(`refused with ${status}`), { status, code });

test('a secret that is refused for good is not asked for again before the next connection or a retry (streams.md)', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { source, told, requests, states } = await openMocked();
  source.sealed(1, 'a', 'id 1');
  requests[0].refuse(refusal(403, 'no_rule'));
  await settled();
  t.mock.timers.tick(3_600_000);
  source.sealed(1, 'b', 'id 2');
  await settled();
  assert.deepEqual([requests.length, states], [1, ['open', 'refused']]);
  stream.retry();
  requests[1].refuse(refusal(403, 'no_rule'));
  await settled();
  source.shakeHands('1.2');
  assert.equal(requests.length, 3);
  requests[2].answer(1);
  await settled();
  assert.deepEqual(told, [`${ROOM}: a`, `${ROOM}: b`]);
  assert.equal(states.at(-1), 'open');
});

test('a secret that fails is asked for with growing pauses, and the stream is open again afterwards', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { source, told, requests, states } = await openMocked();
  source.sealed(1, 'a', 'id 1');
  let asked = 0;
  for (let second = 0; second < 600; second += 1) {
    while (asked < requests.length) requests[asked++].refuse(new Error('no answer'));
    await settled();
    assert.ok(stream.retryAt >= Date.now() && stream.retryAt <= Date.now() + 30_000);
    t.mock.timers.tick(1000);
    await settled();
  }
  assert.ok(requests.length > 15 && requests.length < 45, `${requests.length} requests in ten minutes`);
  while (asked === requests.length) {
    t.mock.timers.tick(1000);
    await settled();
  }
  requests.at(-1).answer(1);
  await settled();
  assert.deepEqual(told, [`${ROOM}: a`]);
  assert.deepEqual([...new Set(states)], ['open', 'waiting']);
  assert.equal(states.at(-1), 'open');
});

test('another connection ends the pause after a refused secret (streams.md)', async () => {
  const { source, told, requests } = await open();
  source.sealed(1, 'a', 'id 1');
  requests[0].refuse(refusal(403, 'unknown_socket'));
  await settled();
  source.shakeHands('1.2');
  await settled();
  assert.deepEqual(requests.map(({ socketId }) => socketId), ['1.1', '1.2']);
  // A cut that comes before the refusal.
  source.shakeHands('1.3');
  requests[1].refuse(refusal(403, 'unknown_socket'));
  await settled();
  requests[2].answer(1);
  await settled();
  assert.deepEqual(told, [`${ROOM}: a`]);
});

test('events that wait for a secret are bounded, and the oldest become one gap', async () => {
  const { source, told, requests } = await open();
  const megabyte = 'x'.repeat(1024 * 1024);
  source.sealed(1, 'first', 'id 1');
  for (let n = 2; n < 20; n += 1) source.sealed(1, megabyte, `id ${n}`);
  source.sealed(1, 'last', 'id 20');
  assert.deepEqual(told, [`${ROOM} gap: sealed`]);
  requests[0].answer(1);
  await settled();
  assert.ok(told.length < 6, `${told.length} told`);
  assert.equal(told.at(-1), `${ROOM}: last`);
});

test('nothing follows the end of a stream', async () => {
  const { source, told, requests, states } = await open();
  source.sealed(1, 'a');
  stream.close();
  stream.close();
  requests[0].refuse(new Error('no answer'));
  await settled();
  assert.deepEqual([told, states], [[], ['open', 'closed']]);

  const second = [];
  stream = openStream({
    url: 'http://127.0.0.1/app/key', channels: [ROOM], nacl, secret: async () => Buffer.from(keyOf(1)).toString('base64'),
    onEvent: ({ data }) => (second.push(data), stream.close()), onState: (state) => second.push(state),
  });
  const other = await opened(2);
  other.shakeHands('1.2');
  other.sealed(1, 'a');
  other.sealed(1, 'b');
  await settled();
  assert.deepEqual(second, ['open', 'a', 'closed']);
});

test('a ticket that is refused for good, or never comes, holds no stream for ever', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const states = [];
  let asked = 0;
  let next = () => Promise.reject(refusal(403, 'revoked'));
  stream = openStream({
    url: 'http://127.0.0.1/app/key', channels: ['news'], ticket: () => (asked += 1, next()), onEvent() {}, onState: (state) => states.push(state),
  });
  await settled();
  t.mock.timers.tick(3_600_000);
  await settled();
  assert.deepEqual([asked, states.at(-1)], [1, 'refused']);
  next = () => new Promise(() => {});
  stream.retry();
  t.mock.timers.tick(20_000);
  await settled();
  assert.equal(states.at(-1), 'waiting');
  t.mock.timers.tick(3000);
  assert.equal(asked, 3);
});

/** Like `open`, under a clock that stands still. */
async function openMocked() {
  const opening = open();
  await settled();
  return opening;
}
