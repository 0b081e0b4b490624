import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMasterKey, aSealingApp, channelKey } from './support/app.mjs';
import { authorizer, endpointOf } from './support/authorizer.mjs';
import { opened } from './support/envelope.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';
import { eventually } from './support/wait.mjs';

const room = 'private-encrypted-cache-prices';
// One turn a second, so that the rotation takes a while.
const slowly = { turns_per_second: 1, hold_ms: 5_000 };
const anApp = (rotation = {}) => aSealingApp({ authorizer: 'open', rotation });
const apps = { during: anApp(slowly), late: anApp(slowly), empty: anApp(), retired: anApp(), stale: anApp() };
const rig = serve({ apps: Object.values(apps) });

/** A client that counts its auth requests. */
async function counting(app, hooks = {}) {
  const asked = [];
  const before = (channel) => asked.push(channel);
  const customHandler = authorizer(endpointOf(rig.server.url, app), { before, ...hooks });
  const client = await rig.connect(app, { channelAuthorization: { customHandler } });
  return Object.assign(client, { asked });
}

const publish = (app, value) => publishPlaintext(rig.sdk(app), room, 'price', JSON.stringify({ value }));

test('a newcomer reads the cached event while others have not moved yet, and so do they (encryption.md 4)', async () => {
  const app = apps.during;
  const olds = await Promise.all([1, 2, 3].map(() => counting(app)));
  const oldRooms = await Promise.all(olds.map((client) => client.subscribed(room)));
  await publish(app, 1);
  for (const subscription of oldRooms) assert.deepEqual(await subscription.next('price'), { value: 1 });
  await rig.server.admin.rotate(app, { key: aMasterKey() });
  const newcomer = await counting(app);
  const newRoom = await newcomer.subscribed(room);
  assert.deepEqual(await newRoom.next('price'), { value: 1 });
  const { rotation } = await rig.server.admin.keys(app);
  assert.ok(rotation.in_progress && rotation.remaining > 0, `that was not during the rotation: ${JSON.stringify(rotation)}`);
  await publish(app, 2);
  for (const subscription of [...oldRooms, newRoom]) assert.deepEqual(await subscription.next('price'), { value: 2 });
  await rig.server.admin.moved(app);
  const last = await counting(app);
  assert.deepEqual(await (await last.subscribed(room)).next('price'), { value: 2 });
  assert.deepEqual([newcomer.asked.length, last.asked.length], [1, 1], 'opened at the first try');
  for (const old of olds) assert.equal(old.asked.length, 2);
});

test('a client authorized before and joining after the rotation reads the cached event with its old secret, then moves', async () => {
  const app = apps.late;
  await publish(app, 1);
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  let answers = 0;
  const after = () => ((answers += 1) === 1 ? held : undefined);
  const client = await counting(app, { after });
  const subscription = client.subscribe(room);
  await eventually(() => answers > 0, 'an auth request');
  await rig.server.admin.rotate(app, { key: aMasterKey() });
  letGo();
  await subscription.succeeded();
  assert.deepEqual(await subscription.next('price'), { value: 1 });
  await rig.server.admin.moved(app);
  await publish(app, 2);
  assert.deepEqual(await subscription.next('price'), { value: 2 });
  assert.deepEqual(subscription.seen.filter((event) => event === 'price').length, 2);
  assert.equal(client.asked.length, 2);
});

test('an event cached under an earlier key is resealed for each newcomer (encryption.md 4)', async () => {
  const app = apps.empty;
  await publish(app, 1);
  for (let n = 0; n < 2; n += 1) {
    const key = aMasterKey();
    await rig.server.admin.rotate(app, { key });
    const client = await counting(app);
    assert.deepEqual(await (await client.subscribed(room)).next('price'), { value: 1 });
    assert.equal(client.asked.length, 1, 'opened at the first try');
    const { cache } = await (await rig.sdk(app).get({ path: `/channels/${room}`, params: { info: 'cache' } })).json();
    assert.equal(opened(cache.data, channelKey(key, room)), '{"value":1}');
    await client.disconnect();
  }
});

test('the cached event outlives its key (encryption.md 4)', async () => {
  const app = apps.retired;
  await publish(app, 1);
  const { keys } = await rig.server.admin.keys(app);
  await rig.server.admin.rotate(app, { key: aMasterKey() });
  await rig.server.admin.revoke(app, keys[0].id);
  const client = await counting(app);
  assert.deepEqual(await (await client.subscribed(room)).next('price'), { value: 1 });
  assert.equal(client.asked.length, 1, 'opened at the first try');
});

test('a client joining with a retired secret reads the cached event and later ones (encryption.md 4)', async () => {
  const app = apps.stale;
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  let answers = 0;
  const after = () => ((answers += 1) === 1 ? held : undefined);
  const client = await counting(app, { after });
  const subscription = client.subscribe(room);
  await eventually(() => answers > 0, 'an auth request');
  const { keys } = await rig.server.admin.keys(app);
  await rig.server.admin.rotate(app, { key: aMasterKey() });
  await rig.server.admin.revoke(app, keys[0].id);
  await publish(app, 1);
  letGo();
  await subscription.succeeded();
  assert.deepEqual(await subscription.next('price'), { value: 1 });
  await publish(app, 2);
  assert.deepEqual(await subscription.next('price'), { value: 2 });
  assert.equal(client.state, 'connected');
});
