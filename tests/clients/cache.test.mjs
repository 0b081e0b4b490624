import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aSealingApp } from './support/app.mjs';
import { serve } from './support/rig.mjs';

const app = aSealingApp({ authorizer: 'open', client_events: true });
const rig = serve({ apps: [app] });

const kinds = ['cache-', 'private-cache-', 'presence-cache-'];
let lastRoom = 0;
const aRoom = (kind) => `${kind}room-${(lastRoom += 1)}`;

for (const kind of kinds) {
  test(`a subscriber of an empty ${kind} channel gets a cache miss (protocol.md 4)`, async () => {
    const client = await rig.connectWithEndpoint(app);
    const room = await client.subscribed(aRoom(kind));
    await room.next('pusher:cache_miss');
  });

  test(`a later subscriber of a ${kind} channel gets the last event (protocol.md 4)`, async () => {
    const name = aRoom(kind);
    const sdk = rig.sdk(app);
    await sdk.trigger(name, 'price', { value: 1 });
    await sdk.trigger(name, 'price', { value: 2 });
    const client = await rig.connectWithEndpoint(app);
    const room = await client.subscribed(name);
    assert.deepEqual(await room.next('price'), { value: 2 });
    await sdk.trigger(name, 'end', '');
    await room.next('end');
    assert.deepEqual(room.seen, ['price', 'end']);
  });
}

test('the last event goes to the newcomer only (protocol.md 4)', async () => {
  const name = aRoom('cache-');
  const sdk = rig.sdk(app);
  const early = await (await rig.connect(app)).subscribed(name);
  await sdk.trigger(name, 'price', 1);
  const late = await (await rig.connect(app)).subscribed(name);
  await late.next('price');
  await sdk.trigger(name, 'end', 2);
  await early.next('end');
  assert.deepEqual(early.seen, ['price', 'end']);
});

test('an event that excludes a socket is cached as well (protocol.md 4)', async () => {
  const name = aRoom('cache-');
  const sender = await rig.connect(app);
  await rig.sdk(app).trigger(name, 'price', 5, { socket_id: sender.socketId });
  const room = await sender.subscribed(name);
  assert.equal(await room.next('price'), 5);
});

test('client events are not cached (protocol.md 4)', async () => {
  const name = aRoom('private-cache-');
  const [sender, receiver] = [await rig.connectWithEndpoint(app), await rig.connectWithEndpoint(app)];
  const [sending, receiving] = [await sender.subscribed(name), await receiver.subscribed(name)];
  sending.trigger('client-typing', {});
  await receiving.next('client-typing');
  const late = await (await rig.connectWithEndpoint(app)).subscribed(name);
  await late.next('pusher:cache_miss');
});

test('the API returns the cached event of a channel (protocol.md 7.5)', async () => {
  const name = aRoom('cache-');
  const sdk = rig.sdk(app);
  await sdk.trigger(name, 'price', { value: 3 });
  const response = await sdk.get({ path: `/channels/${name}`, params: { info: 'cache' } });
  const { cache } = await response.json();
  assert.equal(cache.data, '{"value":3}');
  assert.ok(cache.ttl > 0 && cache.ttl <= 1800, `ttl ${cache.ttl}`);
});
