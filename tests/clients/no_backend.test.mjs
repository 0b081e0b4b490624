// Applications without their own auth endpoint: clients use the server's.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import Echo from 'laravel-echo';
import { aSealingApp, channelAuth, token } from './support/app.mjs';
import { encryptingBuilds } from './support/builds.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';
import { eventually, within } from './support/wait.mjs';

const app = aSealingApp({ authorizer: 'jwt', watchlist: true });
const talkative = aSealingApp({ authorizer: 'jwt', explain: true });
const limited = aSealingApp({ authorizer: 'jwt', limits: { auth_per_socket: 1 } });
const rig = serve({ apps: [app, talkative, limited] });

const ALL = ['private-*', 'presence-*'];
const claimsOf = (sub, more = {}) => ({ sub, channels: ALL, user_info: { name: sub }, ...more });
const bearer = (of, claims) => ({ Authorization: `Bearer ${token(of, claims)}` });
const now = () => Math.floor(Date.now() / 1000);

/** Options of pusher-js with fresh headers for each auth request. */
function withProvider(of, headersProvider) {
  const options = rig.endpoint(of);
  for (const kind of Object.values(options)) {
    kind.headersProvider = headersProvider;
    delete kind.headers;
  }
  return options;
}

for (const [name, build] of Object.entries(encryptingBuilds)) {
  test(`${name}: private, presence, encrypted and user channels`, async () => {
    const client = await rig.connectWithEndpoint(app, { headers: bearer(app, claimsOf('user-1')), build });
    const sdk = rig.sdk(app);

    const room = await client.subscribed('private-room');
    await sdk.trigger('private-room', 'note', { n: 1 });
    assert.deepEqual(await room.next('note'), { n: 1 });

    const lobby = await client.subscribed('presence-lobby');
    assert.deepEqual(lobby.members.me, { id: 'user-1', info: { name: 'user-1' } });

    const vault = await client.subscribed('private-encrypted-vault');
    await publishPlaintext(sdk, 'private-encrypted-vault', 'note', '{"sealed":true}');
    assert.deepEqual(await vault.next('note'), { sealed: true });

    assert.equal((await client.signedIn()).id, 'user-1');
    await sdk.sendToUser('user-1', 'invoice', { number: 1 });
    assert.deepEqual(await client.nextUserEvent('invoice'), { number: 1 });
  });
}

test('the watchlist of a token', async () => {
  const headers = (sub, watchlist) => bearer(app, claimsOf(sub, { watchlist }));
  const friend = await rig.connectWithEndpoint(app, { headers: headers('friend') });
  await friend.signedIn();
  const watcher = await rig.connectWithEndpoint(app, { headers: headers('watcher', ['friend', 'nobody']) });
  watcher.pusher.signin();
  assert.deepEqual(await watcher.nextWatchlistEvent('online'), ['friend']);
  assert.deepEqual(await watcher.nextWatchlistEvent('offline'), ['nobody']);
});

test('Laravel Echo: private, presence, encrypted', async () => {
  const path = { channel: '/broadcasting/auth', user: '/broadcasting/user-auth' };
  const params = { app_key: app.key };
  const headers = bearer(app, claimsOf('user-1'));
  const { pusher } = await rig.connectWithEndpoint(app, { path, params, headers });
  const echo = new Echo({ broadcaster: 'pusher', client: pusher });
  const called = (what, register) => within(new Promise(register), what);
  const here = await called('here', (done) => echo.join('lobby').here(done));
  assert.deepEqual(here, [{ name: 'user-1' }]);
  for (const [kind, channel] of [['private', 'private-room'], ['encryptedPrivate', 'private-encrypted-room']]) {
    const room = echo[kind]('room');
    await called(channel, (done) => room.subscribed(done));
    const note = called('.note', (done) => room.listen('.note', done));
    await publishPlaintext(rig.sdk(app), channel, 'note', '{"n":1}');
    assert.deepEqual(await note, { n: 1 });
  }
});

test('headersProvider replaces an expired token, for each channel and after a reconnect', async () => {
  let asked = 0;
  let valid = true;
  const client = await rig.connect(
    app,
    withProvider(app, () => {
      asked += 1;
      return bearer(app, claimsOf('user-1', { exp: valid ? now() + 60 : now() - 60 }));
    }),
  );
  await client.subscribed('private-first');
  valid = false;
  assert.equal((await client.refused('private-second')).status, 401);
  client.unsubscribe('private-second');
  valid = true;
  await client.subscribed('private-second');
  assert.equal(asked, 3);
  assert.equal((await client.signedIn()).id, 'user-1');
  client.pusher.disconnect();
  await client.reaches('disconnected');
  client.pusher.connect();
  await client.reaches('connected');
  const channels = async () => Object.keys((await (await rig.sdk(app).get({ path: '/channels' })).json()).channels);
  await eventually(async () => (await channels()).length === 2, 'both channels to be joined again');
  // Each of the two channels, and the user.
  await eventually(() => asked === 7, 'everything to be asked again', { detail: () => `: ${asked}` });
});

test('without a provider the old token is sent again, and each refusal is reported', async () => {
  const client = await rig.connectWithEndpoint(app, { headers: bearer(app, claimsOf('user-1', { exp: now() - 60 })) });
  for (const channel of ['private-a', 'presence-a', 'private-encrypted-a']) {
    const refusal = await client.refused(channel);
    assert.deepEqual([refusal.type, refusal.status], ['AuthError', 401], channel);
  }
  client.pusher.signin();
  await client.subscribed('public');
  assert.equal(client.pusher.user.user_data, null);
});

/** A client with a custom handler that returns `answer`'s result. */
function signedBy(of, answer) {
  const customHandler = ({ socketId, channelName }, callback) => callback(null, answer(socketId, channelName));
  return rig.connect(of, { channelAuthorization: { customHandler } });
}

const careless = (of) => signedBy(of, (id, channel) => ({ auth: channelAuth({ ...of, secret: `${of.secret}\n` }, id, channel) }));

test('in production a refused subscription has a code and an id, and no reason', async () => {
  const refusal = await (await careless(app)).refused('private-room');
  assert.deepEqual([refusal.type, refusal.status, refusal.code], ['AuthError', 401, 'auth_signature']);
  assert.match(refusal.id, /^[0-9a-z]{8}$/);
  assert.equal(refusal.fix, undefined);
  assert.doesNotMatch(JSON.stringify(refusal), /secret|HMAC|line break/);
});

test('in development it names the fault and the fix', async () => {
  const refusal = await (await careless(talkative)).refused('private-room');
  assert.equal(refusal.code, 'auth_signature');
  assert.match(refusal.error, /ends with a line break/);
  assert.match(refusal.fix, /trim the secret/);
});

test('Echo passes code and id to .error()', async () => {
  const { pusher } = await careless(app);
  const echo = new Echo({ broadcaster: 'pusher', client: pusher });
  const error = await within(new Promise((done) => echo.private('room').error(done)), 'the error');
  assert.deepEqual([error.status, error.code], [401, 'auth_signature']);
  assert.match(error.id, /^[0-9a-z]{8}$/);
});

const refusals = [
  ['no token', () => ({}), 'private-room', 401, 'unauthenticated'],
  ['a token of another app', () => bearer(talkative, claimsOf('u')), 'private-room', 401],
  ['a token for other channels', (of) => bearer(of, { sub: 'u', channels: ['private-other'] }), 'private-room', 403],
  ['a presence channel and no user', (of) => bearer(of, { channels: ALL }), 'presence-room', 403],
  ['a public channel', (of) => bearer(of, claimsOf('u')), 'room', 400, 'no_authorization_needed'],
  ['a name that is none', (of) => bearer(of, claimsOf('u')), 'private-a b', 400, 'invalid_channel'],
];

for (const [what, headers, channel_name, status, code] of refusals) {
  test(`the endpoint refuses ${what} with ${status}, a code and an id`, async () => {
    const { socketId } = await rig.raw(app);
    const fields = { socket_id: socketId, channel_name };
    const { status: found, body } = await rig.postForm(`/apps/${app.id}/auth/channel`, fields, headers(app));
    assert.equal(found, status, JSON.stringify(body));
    assert.match(body.code, /^[a-z_]+$/);
    if (code) assert.equal(body.code, code);
    assert.match(body.id, /^[0-9a-z]{8}$/);
    assert.deepEqual([body.auth, body.fix], [undefined, undefined]);
  });
}

test('too many auth requests of one connection get 429, which pusher-js reports', async () => {
  const client = await rig.connectWithEndpoint(limited, { headers: bearer(limited, claimsOf('user-1')) });
  const channels = Array.from({ length: 12 }, (_, n) => client.subscribe(`private-${n}`));
  const outcomes = await Promise.all(channels.map((channel) => channel.succeeded().then(() => 200, (error) => error.message)));
  const granted = outcomes.filter((outcome) => outcome === 200).length;
  assert.ok(granted >= 10 && granted < 12, outcomes.join('\n'));
  assert.match(outcomes.find((outcome) => outcome !== 200), /"status":429/);
});
