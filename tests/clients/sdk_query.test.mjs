import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp } from './support/app.mjs';
import { refusal, serve } from './support/rig.mjs';

const app = anApp({ subscription_count: true, authorizer: 'open' });
const rig = serve({ apps: [app] });

const ask = async (path, params) => (await rig.sdk(app).get({ path, params })).json();

/** Two users with three connections in a presence channel, one of them also in a public one. */
async function inhabit() {
  const member = (user_id) => rig.connectWithEndpoint(app, { params: { user_id } });
  const clients = await Promise.all([member('user-1'), member('user-1'), member('user-2')]);
  for (const client of clients) await client.subscribed('presence-room');
  await clients[0].subscribed('news');
}

test('nothing is occupied at first (protocol.md 7.4)', async () => {
  assert.deepEqual(await ask('/channels'), { channels: {} });
  assert.deepEqual(await ask('/channels/news'), { occupied: false });
  assert.deepEqual(await ask('/channels/presence-room/users'), { users: [] });
});

test('occupied channels are listed, with requested attributes only (protocol.md 7.4)', async () => {
  await inhabit();
  assert.deepEqual(await ask('/channels'), { channels: { news: {}, 'presence-room': {} } });
});

test('channels are listed by prefix, with their users counted (protocol.md 7.4)', async () => {
  await inhabit();
  const answer = await ask('/channels', { filter_by_prefix: 'presence-', info: 'user_count' });
  assert.deepEqual(answer, { channels: { 'presence-room': { user_count: 2 } } });
});

test('users are counted in presence channels only (protocol.md 7.4, 7.5)', async () => {
  const sdk = rig.sdk(app);
  const params = { info: 'user_count' };
  assert.equal((await refusal(sdk.get({ path: '/channels', params }))).status, 400);
  assert.equal((await refusal(sdk.get({ path: '/channels/news', params }))).status, 400);
  assert.equal((await refusal(sdk.get({ path: '/channels/news/users' }))).status, 400);
});

test('a channel query returns its state and the requested attributes (protocol.md 7.5)', async () => {
  await inhabit();
  assert.deepEqual(await ask('/channels/news'), { occupied: true });
  assert.deepEqual(await ask('/channels/news', { info: 'subscription_count' }), { occupied: true, subscription_count: 1 });
  assert.deepEqual(await ask('/channels/presence-room', { info: 'user_count,subscription_count' }), {
    occupied: true,
    user_count: 2,
    subscription_count: 3,
  });
});

test('the users of a channel are distinct and strings (protocol.md 7.6)', async () => {
  await inhabit();
  const { users } = await ask('/channels/presence-room/users');
  assert.deepEqual(users.sort((a, b) => a.id.localeCompare(b.id)), [{ id: 'user-1' }, { id: 'user-2' }]);
});

test('departed members are no longer counted (protocol.md 7.4)', async () => {
  const client = await rig.connect(app);
  await client.subscribed('news');
  client.unsubscribe('news');
  await client.subscribed('sport');
  assert.deepEqual(await ask('/channels'), { channels: { sport: {} } });
});
