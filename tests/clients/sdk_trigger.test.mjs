import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp } from './support/app.mjs';
import { refusal, serve } from './support/rig.mjs';

const app = anApp({ subscription_count: true, authorizer: 'open' });
const disabled = anApp({ enabled: false });
const rig = serve({ apps: [app, disabled] });

const json = async (request) => {
  const response = await request;
  assert.equal(response.status, 200);
  return response.json();
};

test('a trigger is answered with an empty object (protocol.md 7.2)', async () => {
  assert.deepEqual(await json(rig.sdk(app).trigger('news', 'note', 1)), {});
});

test('a batch is delivered in its order and answered with an empty object (protocol.md 7.3)', async () => {
  const client = await rig.connect(app);
  const [news, sport] = [await client.subscribed('news'), await client.subscribed('sport')];
  const answer = await json(
    rig.sdk(app).triggerBatch([
      { channel: 'news', name: 'first', data: { n: 1 } },
      { channel: 'sport', name: 'goal', data: 'yes' },
      { channel: 'news', name: 'second', data: { n: 2 }, socket_id: client.socketId },
      { channel: 'news', name: 'third', data: { n: 3 } },
    ]),
  );
  assert.deepEqual(answer, {});
  assert.deepEqual(await news.next('third'), { n: 3 });
  assert.equal(await sport.next('goal'), 'yes');
  assert.deepEqual(news.seen, ['first', 'third']);
});

test('a batch with one bad item publishes nothing (protocol.md 7.3)', async () => {
  const client = await rig.connect(app);
  const news = await client.subscribed('news');
  const sdk = rig.sdk(app);
  const { status } = await refusal(
    sdk.triggerBatch([
      { channel: 'news', name: 'first', data: 1 },
      { channel: 'no spaces', name: 'second', data: 2 },
    ]),
  );
  assert.equal(status, 400);
  await sdk.trigger('news', 'end', 1);
  await news.next('end');
  assert.deepEqual(news.seen, ['end']);
});

test('a trigger can ask for counts of its channels (protocol.md 7.2)', async () => {
  const client = await rig.connectWithEndpoint(app);
  await client.subscribed('news');
  await client.subscribed('presence-room');
  const answer = await json(
    rig.sdk(app).trigger(['news', 'presence-room', 'empty'], 'note', 1, { info: 'subscription_count,user_count' }),
  );
  assert.deepEqual(answer.channels.news, { subscription_count: 1 });
  assert.equal(answer.channels['presence-room'].user_count, 1);
  assert.deepEqual(answer.channels.empty, { subscription_count: 0 });
});

test('a batch can ask for counts per item (protocol.md 7.3)', async () => {
  const client = await rig.connect(app);
  await client.subscribed('news');
  const answer = await json(
    rig.sdk(app).triggerBatch([
      { channel: 'news', name: 'note', data: 1, info: 'subscription_count' },
      { channel: 'news', name: 'note', data: 2 },
    ]),
  );
  assert.deepEqual(answer, { batch: [{ subscription_count: 1 }, {}] });
});

test('the legacy field for a single channel still works (protocol.md 7.2)', async () => {
  const client = await rig.connect(app);
  const news = await client.subscribed('news');
  await json(rig.sdk(app).post({ path: '/events', body: { name: 'note', channel: 'news', data: 'old' } }));
  assert.equal(await news.next('note'), 'old');
});

test('the oldest publishing endpoint still works (protocol.md 7.8)', async () => {
  const client = await rig.connect(app);
  const news = await client.subscribed('news');
  const response = await rig.sdk(app).post({
    path: '/channels/news/events',
    params: { name: 'note' },
    body: { is: 'the data' },
  });
  assert.equal(response.status, 202);
  assert.deepEqual(await news.next('note'), { is: 'the data' });
});

test('many requests over one kept connection all succeed (protocol.md 7)', async () => {
  const { Agent } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sdk = rig.sdk(app, { agent });
  await Promise.all(Array.from({ length: 30 }, (_, n) => json(sdk.trigger('news', 'note', n))));
  agent.destroy();
});

const otherSecret = () => ({ secret: 'some other secret' });

test('a wrong secret is refused, and the text shows the string to sign (protocol.md 7.1)', async () => {
  const { status, code, error } = await refusal(rig.sdk(app, otherSecret()).trigger('news', 'note', 1));
  assert.deepEqual({ status, code }, { status: 401, code: 'invalid_signature' });
  assert.ok(error.includes(`/apps/${app.id}/events`), error);
  assert.ok(!error.includes(app.secret));
});

const refusals = {
  'an unknown app': [(sdk) => sdk.trigger('news', 'note', 1), { appId: '999999' }, 404, 'unknown_app'],
  'an unknown key': [(sdk) => sdk.trigger('news', 'note', 1), { key: 'no-such-key' }, 401, /./],
  'an event that is too big': [(sdk) => sdk.trigger('news', 'note', 'x'.repeat(10_241)), {}, 413, 'event_too_large'],
  'a reserved event name': [(sdk) => sdk.trigger('news', 'pusher:note', 1), {}, 400, /^invalid_/],
  'an event without a name': [(sdk) => sdk.trigger('news', '', 1), {}, 400, /^invalid_/],
  'data that is no string': [
    (sdk) => sdk.post({ path: '/events', body: { name: 'note', channels: ['news'], data: { a: 1 } } }),
    {},
    400,
    /^invalid_/,
  ],
  'no channel': [(sdk) => sdk.trigger([], 'note', 1), {}, 400, /^invalid_/],
  'a batch that is too long': [
    (sdk) => sdk.triggerBatch(Array.from({ length: 11 }, () => ({ channel: 'news', name: 'note', data: 1 }))),
    {},
    400,
    /./,
  ],
};

for (const [name, [request, options, status, code]] of Object.entries(refusals)) {
  test(`${name} is refused with ${status} and a readable text (protocol.md 7.1)`, async () => {
    const answer = await refusal(request(rig.sdk(app, options)));
    assert.equal(answer.status, status);
    assert.match(answer.code, code instanceof RegExp ? code : new RegExp(`^${code}$`));
    assert.match(answer.error, /\w+ \w+/, 'the error is a sentence');
  });
}

test('an event of the full size is accepted (protocol.md 11)', async () => {
  const client = await rig.connect(app);
  const news = await client.subscribed('news');
  const data = 'x'.repeat(10_240);
  await json(rig.sdk(app).trigger('news', 'note', data));
  assert.equal(await news.next('note'), data);
});

test('a disabled app cannot publish (protocol.md 7.1)', async () => {
  assert.equal((await refusal(rig.sdk(disabled).trigger('news', 'note', 1))).status, 403);
});
