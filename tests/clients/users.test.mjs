import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp } from './support/app.mjs';
import { serve } from './support/rig.mjs';

const app = anApp({ watchlist: true });
const strict = anApp({ authorized_connections: true, authorization_timeout_seconds: 1 });
const rig = serve({ apps: [app, strict] });

/** A client signed in as this user by its backend. */
async function connectAs(user, of = app) {
  const backend = await rig.backend(of, { users: () => user });
  return rig.connect(of, backend.options());
}

async function signedInAs(user, of) {
  const client = await connectAs(user, of);
  await client.signedIn();
  return client;
}

test('sign-in returns the signed user data (protocol.md 5.1)', async () => {
  const user = { id: 'user-1', user_info: { name: 'One', tags: ['a', 'ü'] } };
  const client = await connectAs(user);
  assert.deepEqual(await client.signedIn(), user);
});

test('an event for a user reaches each connection of the user and no other (protocol.md 5.2)', async () => {
  const [laptop, phone] = [await signedInAs({ id: 'user-1' }), await signedInAs({ id: 'user-1' })];
  const other = await signedInAs({ id: 'user-2' });
  const sdk = rig.sdk(app);
  await sdk.sendToUser('user-1', 'invoice', { number: 12 });
  assert.deepEqual(await laptop.nextUserEvent('invoice'), { number: 12 });
  assert.deepEqual(await phone.nextUserEvent('invoice'), { number: 12 });
  await sdk.sendToUser('user-2', 'end', 1);
  await other.nextUserEvent('end');
  assert.deepEqual(other.userEvents, ['end']);
  assert.deepEqual(laptop.userEvents, ['invoice'], 'delivered once');
});

test('a user channel needs a sign-in as that user (protocol.md 5.2)', async () => {
  const [stranger, other, user] = [await rig.raw(app), await rig.raw(app), await signedInAs({ id: 'user-1' })];
  const sdk = rig.sdk(app);
  other.send({ event: 'pusher:signin', data: sdk.authenticateUser(other.socketId, { id: 'user-2' }) });
  await other.next('pusher:signin_success');
  for (const listener of [stranger, other]) {
    listener.send({ event: 'pusher:subscribe', data: { channel: '#server-to-user-user-1', auth: '' } });
    assert.equal((await listener.next('pusher:subscription_error')).data.type, 'AuthError');
  }
  await sdk.sendToUser('user-1', 'secret', 1);
  await user.nextUserEvent('secret');
  for (const listener of [stranger, other]) {
    await listener.subscribed('private-fence');
    assert.ok(!listener.seen.includes('secret'));
  }
});

test('channels of users are not listed (protocol.md 5.2, 7.4)', async () => {
  const client = await signedInAs({ id: 'user-1' });
  await client.subscribed('news');
  const { channels } = await (await rig.sdk(app).get({ path: '/channels' })).json();
  assert.deepEqual(channels, { news: {} });
});

test('a sign-in with a bad signature is answered with 4009, the connection stays (protocol.md 5.1)', async () => {
  const backend = await rig.backend({ ...app, secret: 'some other secret' }, { users: () => ({ id: 'user-1' }) });
  const client = await rig.connect(app, backend.options());
  client.pusher.signin();
  assert.equal((await client.nextError()).code, 4009);
  await client.subscribed('news');
  assert.equal(client.pusher.user.user_data, null);
});

test('signing in as another user on the same connection is refused (protocol.md 5.1)', async () => {
  const client = await signedInAs({ id: 'user-1' });
  const sdk = rig.sdk(app);
  client.pusher.send_event('pusher:signin', sdk.authenticateUser(client.socketId, { id: 'user-2' }));
  assert.equal((await client.nextError()).code, 4009);
  await sdk.sendToUser('user-2', 'secret', 1);
  await sdk.sendToUser('user-1', 'end', 1);
  await client.nextUserEvent('end');
  assert.deepEqual(client.userEvents, ['end']);
});

test('a watchlist reports online and offline users, and each change (protocol.md 5.3)', async () => {
  const friend = await signedInAs({ id: 'friend' });
  const watcher = await connectAs({ id: 'watcher', watchlist: ['friend', 'stranger'] });
  watcher.pusher.signin();
  assert.deepEqual(await watcher.nextWatchlistEvent('online'), ['friend']);
  assert.deepEqual(await watcher.nextWatchlistEvent('offline'), ['stranger']);

  await signedInAs({ id: 'stranger' });
  assert.deepEqual(await watcher.nextWatchlistEvent('online'), ['stranger']);
  await friend.disconnect();
  assert.deepEqual(await watcher.nextWatchlistEvent('offline'), ['friend']);
});

test('a watched user with two connections is online until the last closes (protocol.md 5.3)', async () => {
  const watcher = await connectAs({ id: 'watcher', watchlist: ['friend', 'other'] });
  watcher.pusher.signin();
  assert.deepEqual((await watcher.nextWatchlistEvent('offline')).sort(), ['friend', 'other']);
  const [laptop, phone] = [await signedInAs({ id: 'friend' }), await signedInAs({ id: 'friend' })];
  await laptop.disconnect();
  await signedInAs({ id: 'other' });
  await phone.disconnect();
  assert.deepEqual(await watcher.nextWatchlistEvent('online'), ['friend']);
  assert.deepEqual(await watcher.nextWatchlistEvent('online'), ['other']);
  assert.deepEqual(await watcher.nextWatchlistEvent('offline'), ['friend']);
});

test('a watchlist that is too long is cut and reported with 4302 (protocol.md 5.3)', async () => {
  const watchlist = Array.from({ length: 101 }, (_, n) => `user-${n}`);
  const client = await connectAs({ id: 'watcher', watchlist });
  client.pusher.signin();
  assert.equal((await client.nextError()).code, 4302);
  assert.equal((await client.nextWatchlistEvent('offline')).length, 100);
  assert.equal(client.state, 'connected');
});

test('terminating a user closes every signed-in connection for good (protocol.md 5.4)', async () => {
  const [laptop, phone] = [await signedInAs({ id: 'user-1' }), await signedInAs({ id: 'user-1' })];
  const other = await signedInAs({ id: 'user-2' });
  const response = await rig.sdk(app).terminateUserConnections('user-1');
  assert.equal(response.status, 200);
  for (const client of [laptop, phone]) {
    assert.equal((await client.nextError()).code, 4009);
    await client.reaches('disconnected');
  }
  await other.subscribed('news');
});

test('being a presence member is not being signed in (protocol.md 5.4)', async () => {
  const backend = await rig.backend(app, { channels: () => ({ user_id: 'user-1' }) });
  const member = await rig.connect(app, backend.options());
  await member.subscribed('presence-room');
  await rig.sdk(app).terminateUserConnections('user-1');
  await member.subscribed('news');
});

test('with authorized_connections an unproven connection is closed with 4009 (protocol.md 5.1)', async () => {
  const stranger = await rig.raw(strict);
  const user = await signedInAs({ id: 'user-1' }, strict);
  assert.equal(await stranger.closed, 4009);
  await user.subscribed('news');
});
