// The official SDK without a key publishes plaintext on the alias; pusher-js reads it, decrypted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aSealingApp, channelAuth, channelKey } from './support/app.mjs';
import { opened } from './support/envelope.mjs';
import { refusal, serve } from './support/rig.mjs';

const app = aSealingApp({ authorizer: 'open' });
const rig = serve({ apps: [app] });

test('f30: trigger() of the SDK on the alias arrives decrypted on the encrypted channel', async () => {
  const [client, raw] = [await rig.connectWithEndpoint(app), await rig.raw(app)];
  const orders = await client.subscribed('private-encrypted-orders');
  await raw.subscribed('private-encrypted-orders');
  await rig.sdk(app).trigger('private-sealed-orders', 'shipped', { id: 1 });
  assert.deepEqual(await orders.next('shipped'), { id: 1 });
  const { channel, data } = await raw.next('shipped');
  assert.equal(channel, 'private-encrypted-orders');
  assert.equal(opened(data, channelKey(app.masterKey, channel)), '{"id":1}');
});

test('f30: the SDK itself refuses the real name without a key', async () => {
  await assert.rejects(async () => rig.sdk(app).trigger('private-encrypted-orders', 'shipped', { id: 1 }));
});

test('f30: several aliases in one trigger, and in a batch', async () => {
  const client = await rig.connectWithEndpoint(app);
  const rooms = await Promise.all(['a', 'b'].map((name) => client.subscribed(`private-encrypted-${name}`)));
  const aliases = ['private-sealed-a', 'private-sealed-b'];
  await rig.sdk(app).trigger(aliases, 'note', 'one trigger');
  for (const room of rooms) assert.equal(await room.next('note'), 'one trigger');
  await rig.sdk(app).triggerBatch(aliases.map((channel) => ({ channel, name: 'note', data: 'a batch' })));
  for (const room of rooms) assert.equal(await room.next('note'), 'a batch');
});

test('f30: subscribing to the alias is refused with the name of the channel', async () => {
  // Signed by the test's own backend: pusher-js hides the text of an auth endpoint from the page.
  const customHandler = ({ socketId, channelName }, callback) =>
    callback(null, { auth: channelAuth(app, socketId, channelName) });
  const client = await rig.connect(app, { channelAuthorization: { customHandler } });
  const { status, code, error } = await client.refused('private-sealed-orders');
  assert.deepEqual([status, code], [404, 'sealing_alias']);
  assert.match(error, /private-encrypted-orders/);
  const byEndpoint = await rig.connectWithEndpoint(app);
  assert.equal((await byEndpoint.refused('private-sealed-orders')).status, 404);
});

test('f30: a query about the alias is refused with the name of the channel', async () => {
  const { status, error } = await refusal(rig.sdk(app).get({ path: '/channels/private-sealed-orders' }));
  assert.equal(status, 404);
  assert.match(error, /private-encrypted-orders/);
});
