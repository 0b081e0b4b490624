import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aSealingApp, token } from './support/app.mjs';
import { authorizer, endpointOf } from './support/authorizer.mjs';
import { opened } from './support/envelope.mjs';
import { publishPlaintext, refusal, serve } from './support/rig.mjs';
import { EVENT } from './support/swarm.mjs';
import { Traffic } from './support/traffic.mjs';
import { eventually } from './support/wait.mjs';

const rotation = { hold_ms: 4_000 };
const anApp = (settings = {}) => aSealingApp({ authorizer: 'jwt', derivation: 'hkdf', rotation, ...settings });
const apps = { member: anApp(), again: anApp({ jwt: { leeway_seconds: 0 } }), several: anApp(), signedIn: anApp(), key: anApp(), plain: anApp({ derivation: 'pusher' }) };
const rig = serve({ apps: Object.values(apps) });
const room = 'private-encrypted-room';
const otherRoom = 'private-encrypted-other';

const now = () => Math.floor(Date.now() / 1000);

/** A client of this user with a record of its secrets and connection states. */
async function clientOf(app, user, claims = {}) {
  const mine = { claims: { sub: user, iat: now(), channels: ['*'], ...claims }, secrets: [], states: [] };
  const bearer = () => ({ Authorization: `Bearer ${token(app, mine.claims)}` });
  const after = (channel, { shared_secret: secret }) => {
    mine.secrets.push({ channel, secret: new Uint8Array(Buffer.from(secret, 'base64')) });
  };
  const ask = (asked, callback) => authorizer(endpointOf(rig.server.url, app), { after, headers: bearer() })(asked, callback);
  const { userAuthentication } = rig.endpoint(app, { headers: bearer() });
  const client = await rig.connect(app, { channelAuthorization: { customHandler: ask }, userAuthentication });
  client.pusher.connection.bind('state_change', ({ current }) => mine.states.push(current));
  return Object.assign(client, mine);
}

const revoke = async (app, channel, user) => {
  const response = await rig.sdk(app).post({ path: `/channels/${channel}/revoke`, body: { user_id: user } });
  return response.json();
};

/** Expects the messages from number `first` up to `next`, in order. */
async function readsOn(subscription, first, next) {
  const read = [];
  while (read.length < next - first) read.push((await subscription.next(EVENT)).n);
  assert.deepEqual(read, Array.from({ length: next - first }, (_, i) => first + i));
}

const end = (app, channel, data) => publishPlaintext(rig.sdk(app), channel, 'end', JSON.stringify(data));

test('a member is revoked: its last secret opens nothing more, the others read on (encryption.md 5)', async (t) => {
  const app = apps.member;
  const [ada, bob, tab, eve] = await Promise.all(['ada', 'bob', 'bob', 'eve'].map((user) => clientOf(app, user)));
  const [adas, bobs, tabs, eves] = await Promise.all([ada, bob, tab, eve].map((client) => client.subscribed(room)));
  const bobsOther = await bob.subscribed(otherRoom);
  const observer = await rig.raw(app);
  await observer.subscribed(room);
  const traffic = new Traffic({ url: rig.server.url, app, channels: [room], perSecond: 20 });
  traffic.start();
  for (const subscription of [adas, bobs, tabs, eves]) assert.equal((await subscription.next(EVENT)).n, 0);

  const [start, today] = [performance.now(), now()];
  const { epoch } = await revoke(app, room, 'bob');
  assert.ok(epoch >= today, `an epoch is a time: ${epoch}`);
  await end(app, room, 'after');
  for (const subscription of [adas, eves]) assert.equal(await subscription.next('end'), 'after');
  t.diagnostic(`the others read on ${Math.round(performance.now() - start)} ms after the request`);
  await traffic.stop();
  await end(app, room, 'last');
  for (const subscription of [adas, eves]) {
    await readsOn(subscription, 1, traffic.sent);
    assert.equal(await subscription.next('end'), 'last');
  }
  for (const [client, subscription] of [[bob, bobs], [tab, tabs]]) {
    const { type, status } = await subscription.refused();
    assert.deepEqual({ type, status }, { type: 'Revoked', status: 403 });
    assert.equal(subscription.seen.includes('end'), false);
    assert.equal(client.state, 'connected');
  }
  assert.deepEqual([...ada.states, ...eve.states], []);
  for (const client of [ada, eve]) assert.equal(client.secrets.length, 2, 'one question each');

  const { secret } = bob.secrets.find(({ channel }) => channel === room);
  const newest = ada.secrets.at(-1).secret;
  for (const text of ['"after"', '"last"']) {
    const { data } = await observer.next('end');
    assert.equal(opened(data, secret), null);
    assert.equal(opened(data, newest), text);
  }
  await end(app, otherRoom, 'still here');
  assert.equal(await bobsOther.next('end'), 'still here');
});

test('a revoked member returns with a newer token only (encryption.md 5)', async () => {
  const app = apps.again;
  const bob = await clientOf(app, 'bob');
  const subscription = await bob.subscribed(room);
  await revoke(app, room, 'bob');
  await subscription.refused();
  // pusher-js considers itself subscribed until the server says otherwise.
  bob.unsubscribe(room);
  assert.match((await bob.refused(room)).error, /403 revoked/);
  await bob.subscribed(otherRoom);
  const other = await clientOf(app, 'bob', { iat: now() - 60 });
  assert.match((await other.refused(room)).error, /403 revoked/);
  // `iat` counts in seconds: only tokens of a later second are newer.
  const second = now();
  await eventually(() => now() > second, 'the next second');
  const newer = await clientOf(app, 'bob');
  const back = await newer.subscribed(room);
  await end(app, room, 'hello again');
  assert.equal(await back.next('end'), 'hello again');
  assert.notDeepEqual(newer.secrets[0].secret, bob.secrets[0].secret);
});

test('several members are revoked in turn under traffic: the others lose nothing (encryption.md 5)', async () => {
  const app = apps.several;
  const leaving = ['bob', 'eve', 'joe'];
  const staying = await Promise.all(['ada', 'ida', 'ulf'].map((user) => clientOf(app, user)));
  const subscriptions = await Promise.all(staying.map((client) => client.subscribed(room)));
  const gone = await Promise.all(leaving.map((user) => clientOf(app, user)));
  const goneRooms = await Promise.all(gone.map((client) => client.subscribed(room)));
  const traffic = new Traffic({ url: rig.server.url, app, channels: [room], perSecond: 50 });
  traffic.start();
  for (const subscription of subscriptions) assert.equal((await subscription.next(EVENT)).n, 0);
  let last = 0;
  for (const user of leaving) {
    const { epoch } = await revoke(app, room, user);
    assert.ok(epoch > last, `${epoch} after ${last}`);
    last = epoch;
    await traffic.more(3);
  }
  await rig.server.admin.moved(app);
  await traffic.stop();
  await end(app, room, 'last');
  for (const subscription of subscriptions) assert.equal(await subscription.next('end'), 'last');
  for (const client of staying) assert.deepEqual(client.states, []);
  for (const subscription of subscriptions) await readsOn(subscription, 1, traffic.sent);
  for (const subscription of goneRooms) {
    await subscription.refused();
    assert.equal(subscription.seen.includes('end'), false);
  }
});

test('a connection signed in as the user is removed as well, with any authorization (encryption.md 5)', async () => {
  const app = apps.signedIn;
  const [bob, ada] = [await clientOf(app, 'bob'), await clientOf(app, 'ada')];
  await bob.signedIn();
  bob.claims.sub = 'somebody';
  const [bobs, adas] = [await bob.subscribed(room), await ada.subscribed(room)];
  await revoke(app, room, 'bob');
  assert.equal((await bobs.refused()).status, 403);
  await end(app, room, 'last');
  assert.equal(await adas.next('end'), 'last');
  assert.deepEqual(bobs.seen, []);
});

test('the active key is revoked: all move at once and stay connected, and it opens nothing more (encryption.md 4)', async () => {
  const app = apps.key;
  const clients = await Promise.all(['ada', 'bob', 'eve'].map((user) => clientOf(app, user)));
  const subscriptions = await Promise.all(clients.map((client) => client.subscribed(room)));
  const observer = await rig.raw(app);
  await observer.subscribed(room);
  const traffic = new Traffic({ url: rig.server.url, app, channels: [room], perSecond: 20 });
  traffic.start();
  for (const subscription of subscriptions) assert.equal((await subscription.next(EVENT)).n, 0);
  const { admin } = rig.server;
  const [{ id }] = (await admin.keys(app)).keys;
  await admin.revoke(app, id);
  const { keys } = await admin.keys(app);
  assert.deepEqual(keys.map(({ state }) => state), ['retired', 'active']);
  await end(app, room, 'after');
  await traffic.stop();
  for (const subscription of subscriptions) {
    await readsOn(subscription, 1, traffic.sent);
    assert.equal(await subscription.next('end'), 'after');
  }
  for (const client of clients) assert.deepEqual(client.states, []);
  const { data } = await observer.next('end');
  for (const { secrets } of clients) assert.equal(opened(data, secrets[0].secret), null);
});

const refusals = [
  ['an app whose secrets others can derive', apps.plain, room, 409, 'revocation_needs_hkdf'],
  ['a channel that is not encrypted', apps.member, 'private-room', 400, 'not_an_encrypted_channel'],
];

for (const [name, app, channel, status, code] of refusals) {
  test(`revocation on ${name} is refused: ${code} (encryption.md 5)`, async () => {
    const answer = await refusal(revoke(app, channel, 'bob'));
    assert.deepEqual({ status: answer.status, code: answer.code }, { status, code });
  });
}
