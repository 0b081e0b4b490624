import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

/** A browser's WebSocket whose server is the test. */
class FakeSocket {
  static all = [];
  sent = [];
  constructor(_, protocols) {
    this.protocols = protocols;
    FakeSocket.all.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.isClosed = true;
  }
}

const page = new EventTarget();
page.hidden = false;
Object.assign(globalThis, { WebSocket: FakeSocket, document: page, location: { protocol: 'http:' }, addEventListener: () => {} });
mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
const { Socket } = await import('../../console/socket.js');

let socket;
let happened;
const newest = () => FakeSocket.all.at(-1);
const hide = (hidden) => {
  page.hidden = hidden;
  page.dispatchEvent(new Event('visibilitychange'));
};
const handlers = { ok: () => happened.push('ok'), message: () => happened.push('message'), gap: (seconds) => happened.push(`gap ${seconds}`), lost: () => happened.push('lost') };

beforeEach(() => {
  socket?.close();
  page.hidden = false;
  happened = [];
  FakeSocket.all = [];
  socket = new Socket({ value: 'KEY' }, { changed: () => {}, refused: () => happened.push('refused') });
  socket.connect();
});

test('a watch begins when the socket opens, and its stop names it', () => {
  const watch = socket.watch('feed', { filter: 'app=a' }, handlers);
  assert.deepEqual(newest().sent, []);
  newest().onopen();
  const [{ id, ...rest }] = newest().sent;
  assert.deepEqual(rest, { watch: 'feed', filter: 'app=a' });
  newest().onmessage({ data: JSON.stringify({ id, ok: {} }) });
  newest().onmessage({ data: JSON.stringify({ watch: id, entries: [] }) });
  newest().onmessage({ data: 'no JSON' });
  assert.deepEqual(happened, ['ok', 'message']);
  watch.stop();
  assert.equal(newest().sent.at(-1).stop, id);
});

test('the socket brings the key of the session as a subprotocol', () => {
  assert.deepEqual(newest().protocols, ['sealcast-console', 'key.KEY']);
});

test('a lost socket is opened again, and the gap is told', () => {
  socket.watch('feed', {}, handlers);
  newest().onopen();
  newest().onclose();
  assert.equal(socket.state, 'away');
  mock.timers.tick(499);
  assert.equal(FakeSocket.all.length, 1);
  mock.timers.tick(1);
  assert.equal(FakeSocket.all.length, 2);
  mock.timers.tick(1_500);
  newest().onopen();
  assert.deepEqual(happened, ['lost', 'gap 2']);
  assert.equal(newest().sent.length, 1);
});

test('attempts come at most ten seconds apart', () => {
  for (let attempt = 0; attempt < 12; attempt += 1) {
    newest().onclose();
    const before = FakeSocket.all.length;
    mock.timers.tick(10_000);
    assert.equal(FakeSocket.all.length, before + 1);
  }
  assert.equal(happened.filter((it) => it === 'refused').length, 12);
});

test('a page hidden for thirty seconds stops its watches, and begins them when it is seen', () => {
  socket.watch('series', { range: 900 }, handlers);
  newest().onopen();
  const [{ id }] = newest().sent;
  hide(true);
  // Series come each second; without one the socket would count as lost.
  for (let second = 0; second < 29; second += 1) {
    mock.timers.tick(1_000);
    newest().onmessage({ data: JSON.stringify({ watch: id, at: second, v: [] }) });
  }
  assert.equal(socket.state, 'open');
  mock.timers.tick(1_000);
  assert.deepEqual([socket.state, newest().sent.at(-1).stop, newest().isClosed], ['asleep', id, true]);
  hide(false);
  newest().onopen();
  assert.equal(newest().sent[0].watch, 'series');
});

test('a paused socket stops its watches until it is told to go on', () => {
  socket.watch('series', {}, handlers);
  newest().onopen();
  const [{ id }] = newest().sent;
  socket.rest();
  assert.deepEqual([socket.state, newest().sent.at(-1).stop, newest().isClosed], ['idle', id, true]);
  hide(true);
  mock.timers.tick(60_000);
  hide(false);
  mock.timers.tick(60_000);
  assert.deepEqual([socket.state, FakeSocket.all.length], ['idle', 1]);
  socket.connect();
  newest().onopen();
  assert.equal(newest().sent[0].watch, 'series');
});

test('a short look away stops nothing', () => {
  newest().onopen();
  hide(true);
  mock.timers.tick(29_000);
  hide(false);
  mock.timers.tick(29_000);
  assert.deepEqual([socket.state, FakeSocket.all.length], ['open', 1]);
});

test('a socket that falls silent under a watch is opened again', () => {
  socket.watch('series', {}, handlers);
  newest().onopen();
  mock.timers.tick(14_000);
  assert.equal(socket.state, 'away');
  mock.timers.tick(1_000);
  assert.equal(FakeSocket.all.length, 2);
});

test('a watch for once ends with its connection', () => {
  socket.watch('reveal', {}, handlers, { once: true });
  newest().onopen();
  newest().onclose();
  mock.timers.tick(1_000);
  newest().onopen();
  assert.deepEqual([happened, newest().sent], [['lost'], []]);
});
