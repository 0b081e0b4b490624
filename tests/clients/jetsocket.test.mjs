import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aSealingApp } from './support/app.mjs';
import { JETSOCKET_SAYS, jetsocketBuild } from './support/builds.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';

const features = { authorizer: 'open', client_events: true, subscription_count: true, watchlist: true };
const app = aSealingApp(features);
const jetsocketApp = aSealingApp({ ...features, dialect: 'jetsocket' });
const rig = serve({ apps: [app, jetsocketApp] });

const ways = {
  '?dialect=jetsocket': { of: app, build: jetsocketBuild(JETSOCKET_SAYS.dialect) },
  'the name of the client': { of: app, build: jetsocketBuild(JETSOCKET_SAYS.clientName) },
  "the app's setting": { of: jetsocketApp, build: jetsocketBuild(JETSOCKET_SAYS.nothing) },
};

const path = { channel: '/jetsocket/auth', user: '/jetsocket/user-auth' };

/** A Jetsocket client with the endpoint of its dialect. */
function connect({ of, build }, params = {}) {
  const options = rig.endpoint(of, { path, params: { app_key: of.key, ...params } });
  return rig.connect(of, options, { build, prefix: 'jetsocket' });
}

for (const [name, way] of Object.entries(ways)) {
  const { of } = way;

  test(`${name} makes a connection speak Jetsocket (protocol.md 12)`, async () => {
    const client = await connect(way);
    const news = await client.subscribed('news');
    assert.deepEqual(await news.next('jetsocket:subscription_count'), { subscription_count: 1 });
    await rig.sdk(of).trigger('news', 'note', { n: 1 });
    assert.deepEqual(await news.next('note'), { n: 1 });
  });

  test(`${name}: private, encrypted and cached channels (protocol.md 12)`, async () => {
    const client = await connect(way);
    await client.subscribed('private-room');
    const encrypted = await client.subscribed('private-encrypted-room');
    await publishPlaintext(rig.sdk(of), 'private-encrypted-room', 'note', '"sealed"');
    assert.equal(await encrypted.next('note'), 'sealed');
    const cached = await client.subscribed('private-encrypted-cache-never-used');
    await cached.next('jetsocket:cache_miss');
  });

  test(`${name}: presence (protocol.md 12)`, async () => {
    const [first, second] = [await connect(way, { user_id: 'user-1' }), await connect(way, { user_id: 'user-2' })];
    const room = await first.subscribed('presence-room');
    await second.subscribed('presence-room');
    assert.equal((await room.next('jetsocket:member_added')).id, 'user-2');
    await second.disconnect();
    assert.equal((await room.next('jetsocket:member_removed')).id, 'user-2');
  });

  test(`${name}: sign-in, events for the user, watchlist (protocol.md 12)`, async () => {
    const backend = await rig.backend(of, { users: () => ({ id: 'user-1', watchlist: ['user-2'] }) });
    const client = await rig.connect(of, backend.options(), { build: way.build, prefix: 'jetsocket' });
    assert.equal((await client.signedIn()).id, 'user-1');
    assert.deepEqual(await client.nextWatchlistEvent('offline'), ['user-2']);
    await rig.sdk(of).sendToUser('user-1', 'invoice', 7);
    assert.equal(await client.nextUserEvent('invoice'), 7);
  });

  test(`${name}: the endpoint for users (protocol.md 12)`, async () => {
    const client = await connect(way, { user_id: 'user-1' });
    assert.equal((await client.signedIn()).id, 'user-1');
  });

  test(`${name}: a refused subscription is reported in the dialect (protocol.md 12)`, async () => {
    const client = await connect(way);
    const error = await client.refused('no spaces');
    assert.equal(error.status, 400);
    assert.equal((await client.nextError()).code, null);
  });

  test(`${name}: ping and pong (protocol.md 12)`, async () => {
    const client = await rig.connect(of, { activityTimeout: 50 }, { build: way.build, prefix: 'jetsocket' });
    await client.nextMessage('jetsocket:pong');
  });
}

test('a Pusher and a Jetsocket client share a channel, each with its own prefix (protocol.md 12)', async () => {
  const jetsocket = await connect(ways['?dialect=jetsocket'], { user_id: 'user-1' });
  const pusher = await rig.connectWithEndpoint(app, { params: { user_id: 'user-2' } });
  const theirs = await jetsocket.subscribed('presence-room');
  const ours = await pusher.subscribed('presence-room');
  assert.equal((await theirs.next('jetsocket:member_added')).id, 'user-2');
  assert.deepEqual(Object.keys(ours.members.members).sort(), ['user-1', 'user-2']);

  ours.trigger('client-wave', 1);
  assert.equal(await theirs.next('client-wave'), 1);
  theirs.trigger('client-wave', 2);
  assert.equal(await ours.next('client-wave'), 2);
  await rig.sdk(app).trigger('presence-room', 'note', 3);
  assert.equal(await theirs.next('note'), 3);
  assert.equal(await ours.next('note'), 3);
  await jetsocket.disconnect();
  assert.equal((await ours.next('pusher:member_removed')).id, 'user-1');
});

test('on the wire no frame of a connection has the prefix of the other dialect (protocol.md 12)', async () => {
  const socket = await rig.raw(app, 'protocol=7&dialect=jetsocket');
  assert.equal(socket.established.event, 'jetsocket:connection_established');
  await socket.subscribed('private-cache-never-used', 'jetsocket');
  await socket.next('jetsocket:cache_miss');
  const other = await rig.raw(app);
  await other.subscribed('private-cache-never-used');
  socket.send({ event: 'jetsocket:ping', data: {} });
  await socket.next('jetsocket:pong');
  assert.deepEqual(socket.seen.filter((event) => event.startsWith('pusher')), []);
  assert.deepEqual(other.seen.filter((event) => event.startsWith('jetsocket')), []);
});

test('the query wins over the setting of the app (protocol.md 12)', async () => {
  const socket = await rig.raw(jetsocketApp, 'protocol=7&dialect=pusher');
  assert.equal(socket.established.event, 'pusher:connection_established');
});

test('an unknown key is refused in the requested dialect (protocol.md 12)', async () => {
  const socket = await rig.raw({ key: 'no-such-key' }, 'protocol=7&dialect=jetsocket');
  assert.equal(socket.established.event, 'jetsocket:error');
  assert.equal(socket.established.data.code, 4001);
  assert.equal(await socket.closed, 4001);
});
