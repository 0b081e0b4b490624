import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aSealingApp, channelKey } from './support/app.mjs';
import { encryptingBuilds } from './support/builds.mjs';
import { opened } from './support/envelope.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';

const app = aSealingApp({ authorizer: 'open' });
const rig = serve({ apps: [app] });

let lastRoom = 0;
const aRoom = () => `private-encrypted-cache-room-${(lastRoom += 1)}`;

for (const [name, build] of Object.entries(encryptingBuilds)) {
  test(`${name} gets a cache miss and later reads the cached event (protocol.md 4, 9)`, async () => {
    const room = aRoom();
    const early = await (await rig.connectWithEndpoint(app, { build })).subscribed(room);
    await early.next('pusher:cache_miss');
    await publishPlaintext(rig.sdk(app), room, 'price', '{"value":1}');
    assert.deepEqual(await early.next('price'), { value: 1 });
    const late = await (await rig.connectWithEndpoint(app, { build })).subscribed(room);
    assert.deepEqual(await late.next('price'), { value: 1 });
  });
}

test('the event is cached sealed (protocol.md 9)', async () => {
  const room = aRoom();
  const sdk = rig.sdk(app);
  await publishPlaintext(sdk, room, 'price', '{"value":1}');
  const raw = await rig.raw(app);
  await raw.subscribed(room);
  const { data } = await raw.next('price');
  assert.equal(opened(data, channelKey(app.masterKey, room)), '{"value":1}');
  const { cache } = await (await sdk.get({ path: `/channels/${room}`, params: { info: 'cache' } })).json();
  assert.equal(opened(cache.data, channelKey(app.masterKey, room)), '{"value":1}');
});

test('an event sealed by the SDK is cached byte for byte (protocol.md 9)', async () => {
  const room = aRoom();
  const sdk = rig.sdk(app, { encryptionMasterKeyBase64: app.masterKey });
  await sdk.trigger(room, 'price', { value: 2 });
  const raw = await rig.raw(app);
  await raw.subscribed(room);
  assert.equal((await raw.next('price')).data, sdk.sent[0].data);
});
