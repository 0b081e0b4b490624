import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recover } from '../../examples/lib/recover.js';
import { aMasterKey, anApp, aSealingApp, channelKey } from './support/app.mjs';
import { nodeBuild } from './support/builds.mjs';
import { sealed } from './support/envelope.mjs';
import { FrameProxy } from './support/frame_proxy.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';
import { eventually } from './support/wait.mjs';

const history = { events: 20 };
const channels = [{ pattern: 'unlogged-*', history: false }, { pattern: '*', history }];
const app = aSealingApp({ authorizer: 'open', channels });
const blind = anApp({ channels: [{ pattern: '*', mode: 'blind', history: { blind: true } }] });
const rig = serve({ apps: [app, blind] });

/** A client that recovers, behind a network that can be cut, and its gaps. */
async function recovering(proxy, options = rig.endpoint(app), ofApp = app) {
  proxy ??= await rig.proxy();
  const client = rig.client(ofApp, { ...options, wsPort: proxy.port });
  const gaps = [];
  recover(client.pusher, nodeBuild, { onGap: (...gap) => gaps.push(gap) });
  await client.connected();
  return { client, proxy, gaps };
}

/** A proxy that reads and changes the frames of the server. */
async function frameProxy() {
  const proxy = await FrameProxy.start(rig.server.url);
  rig.leaves(() => proxy.stop());
  return proxy;
}

/** Cuts the connection, and brings it back after `missed`. */
async function away({ client, proxy }, missed) {
  const reconnecting = client.reaches('connecting');
  proxy.down();
  await reconnecting;
  await missed();
  proxy.up();
}

const publish = (channel, text) => publishPlaintext(rig.sdk(app), channel, 'note', JSON.stringify(text));

/** Collects all events of the subscription as they arrive. */
function collect(subscription) {
  const texts = [];
  subscription.channel.bind('note', (text) => texts.push(text));
  return texts;
}

for (const channel of ['news', 'private-room', 'private-encrypted-room']) {
  test(`events missed while a client was away arrive once and in order on ${channel} (docs/history.md)`, async () => {
    const { client, proxy, gaps } = await recovering();
    const subscription = await client.subscribed(channel);
    const texts = collect(subscription);
    const expected = [];
    for (let round = 0; round < 5; round += 1) {
      await publish(channel, `live ${round}`);
      expected.push(`live ${round}`);
      await eventually(() => texts.length === expected.length, 'the events');
      const away = client.reaches('connecting');
      proxy.down();
      await away;
      for (let n = 0; n < 3; n += 1) {
        await publish(channel, `away ${round} ${n}`);
        expected.push(`away ${round} ${n}`);
      }
      proxy.up();
      await eventually(() => texts.length === expected.length, 'the events');
    }
    assert.deepEqual(texts, expected);
    assert.deepEqual(gaps, []);
  });
}

test('what the log no longer has is told as one gap, also on an encrypted channel (docs/history.md)', async () => {
  for (const channel of ['private-other', 'private-encrypted-other']) {
    const { client, proxy, gaps } = await recovering();
    const texts = collect(await client.subscribed(channel));
    await publish(channel, 'first');
    await eventually(() => texts.length === 1, 'the events');
    const away = client.reaches('connecting');
    proxy.down();
    await away;
    for (let n = 0; n < history.events + 1; n += 1) await publish(channel, `lost ${n}`);
    proxy.up();
    await eventually(() => gaps.length === 1, 'the events');
    assert.deepEqual(gaps[0].slice(0, 2), [channel, 'evicted']);
    await publish(channel, 'live');
    await eventually(() => texts.at(-1) === 'live', 'the events');
    assert.deepEqual(texts, ['first', 'live']);
  }
});

test('instances on one page do not mix their positions, and unsubscribing forgets them (docs/history.md)', async () => {
  const [one, two] = [await recovering(), await recovering()];
  const plain = await rig.connect(app);
  const [first, second, third] = await Promise.all(
    [one.client, two.client, plain].map(async (client) => collect(await client.subscribed('shared'))),
  );
  await publish('shared', 1);
  await eventually(() => first.length === 1 && second.length === 1 && third.length === 1, 'the events');
  const away = one.client.reaches('connecting');
  one.proxy.down();
  await away;
  await publish('shared', 2);
  one.proxy.up();
  await eventually(() => first.length === 2 && second.length === 2, 'the events');
  two.client.unsubscribe('shared');
  await publish('shared', 3);
  await eventually(() => first.length === 3, 'the events');
  const again = collect(await two.client.subscribed('shared'));
  await publish('shared', 4);
  await eventually(() => first.length === 4 && again.length === 1, 'the events');
  assert.deepEqual([first, second, third, again], [[1, 2, 3, 4], [1, 2], [1, 2, 3, 4], [4]]);
  assert.deepEqual([one.gaps, two.gaps], [[], []]);
});

async function arrived(texts, expected) {
  await eventually(() => texts.length >= expected.length, 'the events', { detail: () => `: ${texts}` });
  assert.deepEqual(texts, expected);
}

/** A client on a blindly relayed channel, whose backend's key this test changes. */
async function blindly(room) {
  const keys = [aMasterKey(), aMasterKey()].map((masterKey) => channelKey(masterKey, room));
  const rule = { key: keys[0], asked: 0 };
  const sdk = rig.sdk(blind, { encryptionMasterKeyBase64: aMasterKey() });
  const customHandler = ({ socketId, channelName }, callback) => {
    rule.asked += 1;
    const { auth } = sdk.authorizeChannel(socketId, channelName);
    callback(null, { auth, shared_secret: Buffer.from(rule.key).toString('base64') });
  };
  const one = await recovering(await frameProxy(), { channelAuthorization: { customHandler } }, blind);
  const texts = collect(await one.client.subscribed(room));
  const send = (text, key) => publishPlaintext(sdk, room, 'note', sealed(JSON.stringify(text), key));
  return { ...one, keys, rule, texts, send };
}

test('a replay that the present secret does not open is one gap, and live events go on (docs/history.md)', async () => {
  const room = 'private-encrypted-vault';
  const one = await blindly(room);
  const { keys: [before, now], rule, texts, send, gaps } = one;
  await send('first', before);
  await arrived(texts, ['first']);
  await away(one, async () => {
    for (let n = 0; n < 10; n += 1) await send(`missed ${n}`, before);
    rule.key = now;
    await send('missed under the new key', now);
  });
  await eventually(() => gaps.length > 0, 'the gap');
  for (let n = 0; n < 3; n += 1) await send(`live ${n}`, now);
  const expected = ['first', 'live 0', 'live 1', 'live 2'];
  await arrived(texts, expected);
  assert.deepEqual(gaps.map(([channel, reason]) => [channel, reason]), [[room, 'unopenable']]);
  assert.equal(rule.asked, 2, 'once for each subscription');

  // Behind the gap the client resumes as ever, and follows the next change.
  await away(one, () => send('missed', now));
  expected.push('missed');
  await arrived(texts, expected);
  rule.key = before;
  await send('changed', before);
  expected.push('changed');
  await arrived(texts, expected);
  assert.equal(gaps.length, 1);
  assert.equal(rule.asked, 4);
});

test('a cut within such a replay does not bring it again (docs/history.md)', async () => {
  const one = await blindly('private-encrypted-twice');
  const { keys: [before, now], proxy, rule, texts, send, gaps } = one;
  await send('first', before);
  await arrived(texts, ['first']);
  let replayed = 0;
  proxy.change = ({ event, data }, text) => {
    if (event !== 'note' || data.includes('first') || (replayed += 1) <= 2) return [text];
    return [];
  };
  await away(one, async () => {
    for (let n = 0; n < 5; n += 1) await send(`missed ${n}`, before);
    rule.key = now;
  });
  await eventually(() => replayed === 5 && gaps.length === 1, 'the gap');
  proxy.change = (frame, text) => [text];
  await away(one, () => send('later', now));
  await arrived(texts, ['first', 'later']);
  assert.equal(gaps.length, 1);
});

test('a replay without its last event ends all the same (docs/history.md)', async () => {
  const one = await blindly('private-encrypted-short');
  const { keys: [before, now], proxy, rule, texts, send, gaps } = one;
  await send('first', before);
  await arrived(texts, ['first']);
  let replayed = 0;
  proxy.change = ({ event }, text) => (event === 'note' && (replayed += 1) === 3 ? [] : [text]);
  await away(one, async () => {
    for (let n = 0; n < 3; n += 1) await send(`missed ${n}`, before);
    rule.key = now;
  });
  await eventually(() => replayed === 3 && gaps.length === 1, 'the gap');
  await send('live', now);
  await arrived(texts, ['first', 'live']);
  assert.deepEqual(proxy.asked.filter(({ event }) => event === 'pusher:ping').length, 1);
});

test('frames without JSON or members and events of unlogged channels pass untouched (docs/history.md)', async () => {
  const proxy = await frameProxy();
  const { client, gaps } = await recovering(proxy);
  const errors = [];
  client.pusher.connection.bind('error', (error) => errors.push(error.type));
  const [logged, unlogged] = [await client.subscribed('news'), await client.subscribed('unlogged-news')].map(collect);
  // pusher-js itself reports these two, and throws on others.
  for (const text of ['no JSON', 'null']) proxy.say(text);
  const envelope = JSON.stringify({ event: 'note', channel: 'news', data: '{"nonce":1,"ciphertext":2}' });
  proxy.say(envelope);
  await publish('news', 'live');
  await publish('unlogged-news', 'live');
  await arrived(logged, [{ nonce: 1, ciphertext: 2 }, 'live']);
  await arrived(unlogged, ['live']);
  assert.deepEqual(errors, ['MessageParseError', 'MessageParseError']);
  await away({ client, proxy }, async () => {
    await publish('unlogged-news', 'missed');
    await publish('news', 'missed');
  });
  await arrived(logged, [{ nonce: 1, ciphertext: 2 }, 'live', 'missed']);
  await publish('unlogged-news', 'again');
  await arrived(unlogged, ['live', 'again']);
  assert.deepEqual(gaps, []);
});

test('a channel whose log was turned off meanwhile is a gap, once (docs/history.md)', async () => {
  const proxy = await frameProxy();
  const one = await recovering(proxy);
  const texts = collect(await one.client.subscribed('late-news'));
  await publish('late-news', 'first');
  await arrived(texts, ['first']);
  // As the server answers without a log.
  proxy.change = ({ event, position, ...frame }, text) => {
    if (event === 'pusher_internal:subscription_succeeded') return [JSON.stringify({ event, ...frame, data: '{}' })];
    return event === 'note' ? [JSON.stringify({ event, ...frame })] : [text];
  };
  for (let n = 0; n < 2; n += 1) {
    await away(one, () => {});
    await one.client.reaches('connected');
    await eventually(() => one.client.pusher.channel('late-news').subscribed, 'the subscription');
  }
  assert.deepEqual(one.gaps, [['late-news', 'not_logged']]);
  assert.deepEqual(proxy.asked.filter(({ data }) => data?.channel === 'late-news').at(-1).data.recover, true);
});

test('a second call replaces onGap, and instances from before the first call recover too (docs/history.md)', async () => {
  const proxies = [await frameProxy(), await frameProxy()];
  const clients = proxies.map(({ port }) => rig.client(app, { ...rig.endpoint(app), wsPort: port }));
  const gaps = { one: [], two: [] };
  recover(clients[0].pusher, nodeBuild, { onGap: () => assert.fail('replaced') });
  recover(clients[1].pusher, nodeBuild);
  recover(clients[0].pusher, nodeBuild, { onGap: (...gap) => gaps.one.push(gap) });
  for (const [index, client] of clients.entries()) {
    await client.connected();
    const texts = collect(await client.subscribed('both'));
    await publish('both', 'live');
    await arrived(texts, ['live']);
    await away({ client, proxy: proxies[index] }, () => publish('both', 'missed'));
    await arrived(texts, ['live', 'missed']);
    if (index > 0) continue;
    await away({ client, proxy: proxies[0] }, async () => {
      for (let n = 0; n <= history.events; n += 1) await publish('both', n);
    });
    await eventually(() => gaps.one.length > 0, 'the gap');
  }
  assert.deepEqual(gaps.one.map(([channel, reason]) => [channel, reason]), [['both', 'evicted']]);
});

test('disconnecting keeps positions, and unsubscribing meanwhile forgets them (docs/history.md)', async () => {
  const { client, gaps } = await recovering();
  const texts = collect(await client.subscribed('kept'));
  collect(await client.subscribed('left'));
  await client.disconnect();
  await publish('kept', 'missed');
  await publish('left', 'missed');
  client.unsubscribe('left');
  const left = collect(client.subscribe('left'));
  client.pusher.connect();
  await arrived(texts, ['missed']);
  await publish('left', 'live');
  await arrived(left, ['live']);
  assert.deepEqual(gaps, []);
});

test('an error in a handler moves the position on all the same (docs/history.md)', async () => {
  const one = await recovering();
  const subscription = await one.client.subscribed('faulty');
  const texts = collect(subscription);
  const fault = new Error('a fault of the page');
  const caught = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => caught.push(error));
  subscription.channel.bind('note', () => { throw fault; });
  try {
    await publish('faulty', 'first');
    await arrived(texts, ['first']);
    await away(one, () => publish('faulty', 'missed'));
    await arrived(texts, ['first', 'missed']);
  } finally {
    process.removeAllListeners('uncaughtException');
    listeners.forEach((listener) => process.on('uncaughtException', listener));
  }
  assert.ok(caught.every((error) => error === fault), String(caught));
});
