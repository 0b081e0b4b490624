import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp } from './support/app.mjs';
import { serve } from './support/rig.mjs';

const app = anApp();
const rig = serve({ apps: [app] });

test('an event reaches every subscriber (protocol.md 2.7)', async () => {
  const [first, second] = await Promise.all([rig.connect(app), rig.connect(app)]);
  const [a, b] = await Promise.all([first.subscribed('news'), second.subscribed('news')]);
  await rig.sdk(app).trigger('news', 'headline', { title: 'it works' });
  assert.deepEqual(await a.next('headline'), { title: 'it works' });
  assert.deepEqual(await b.next('headline'), { title: 'it works' });
});

const payloads = {
  'a string': 'hello',
  'a string that looks like a number': '0042',
  'an empty string': '',
  'a number': 0,
  null: null,
  'nested objects and unicode': { list: [1, 'two', { three: '√∞ 日本語 🦀' }], empty: {} },
  'quotes, backslashes and line breaks': 'a "quoted" \\ line\nand another\u2028end',
};

for (const [name, data] of Object.entries(payloads)) {
  test(`${name} arrives unchanged (protocol.md 2.7)`, async () => {
    const client = await rig.connect(app);
    const raw = await rig.raw(app);
    const news = await client.subscribed('news');
    await raw.subscribed('news');
    const sdk = rig.sdk(app);
    await sdk.trigger('news', 'headline', data);
    const sent = sdk.sent[0].data;
    const { data: relayed, channel } = await raw.next('headline');
    assert.equal(relayed, sent, 'the frame carries the very string of the publisher');
    assert.equal(channel, 'news');
    assert.deepEqual(await news.next('headline'), asPusherJsReads(sent));
  });
}

function asPusherJsReads(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

test('one request to several channels reaches each of them, a repeated name only once (protocol.md 2.7)', async () => {
  const client = await rig.connect(app);
  const [a, b] = [await client.subscribed('room-a'), await client.subscribed('room-b')];
  const sdk = rig.sdk(app);
  await sdk.trigger(['room-a', 'room-b', 'room-a'], 'note', 1);
  await sdk.trigger(['room-a', 'room-b'], 'end', 2);
  await Promise.all([a.next('end'), b.next('end')]);
  assert.deepEqual([a.seen, b.seen], [['note', 'end'], ['note', 'end']]);
});

test('the excluded socket gets no event (protocol.md 7.2)', async () => {
  const [sender, other] = [await rig.connect(app), await rig.connect(app)];
  const [own, others] = [await sender.subscribed('news'), await other.subscribed('news')];
  const sdk = rig.sdk(app);
  await sdk.trigger('news', 'edited', 1, { socket_id: sender.socketId });
  await sdk.trigger('news', 'end', 2);
  await Promise.all([own.next('end'), others.next('end')]);
  assert.deepEqual(own.seen, ['end']);
  assert.deepEqual(others.seen, ['edited', 'end']);
});

test('after unsubscribing nothing more arrives (protocol.md 2.2)', async () => {
  const client = await rig.connect(app);
  const [left, kept] = [await client.subscribed('left'), await client.subscribed('kept')];
  client.unsubscribe('left');
  const sdk = rig.sdk(app);
  await client.subscribed('fence');
  await sdk.trigger(['left', 'kept'], 'note', 1);
  await kept.next('note');
  assert.deepEqual(left.seen, []);
});

test('many events of one publisher keep their order (protocol.md 2.7)', async () => {
  const client = await rig.connect(app);
  const news = await client.subscribed('news');
  const sdk = rig.sdk(app);
  const numbers = Array.from({ length: 50 }, (_, n) => n);
  for (const n of numbers) await sdk.trigger('news', 'count', n);
  const received = [];
  for (const _ of numbers) received.push(await news.next('count'));
  assert.deepEqual(received, numbers);
});

test('names that only look like private or cached channels are public (protocol.md 2.1)', async () => {
  const client = await rig.connect(app);
  for (const name of ['privateer', 'presenceless', 'x-private-room', 'cacheline', 'x-cache-room']) {
    await client.subscribed(name);
  }
});

test('an invalid name is refused, the connection stays (protocol.md 2.1, 2.4)', async () => {
  const client = await rig.connect(app);
  const error = await client.refused('no spaces');
  assert.equal(error.status, 400);
  assert.equal((await client.nextError()).code, null);
  await client.subscribed('news');
});
