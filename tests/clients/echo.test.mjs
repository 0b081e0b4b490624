import assert from 'node:assert/strict';
import { test } from 'node:test';
import Echo from 'laravel-echo';
import { aSealingApp, token } from './support/app.mjs';
import { within } from './support/wait.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';

const app = aSealingApp({ authorizer: 'jwt', client_events: true });
const rig = serve({ apps: [app] });
const path = { channel: '/broadcasting/auth', user: '/broadcasting/user-auth' };

/** Laravel Echo with its own pusher-js and a token for these channels. */
async function echo(channels = ['*'], user = 'user-1') {
  const claims = { sub: user, channels, user_info: { name: user } };
  const headers = { Authorization: `Bearer ${token(app, claims)}`, 'X-CSRF-TOKEN': 'whatever Laravel gave' };
  const { pusher } = await rig.connectWithEndpoint(app, { path, headers });
  return new Echo({ broadcaster: 'pusher', client: pusher });
}

/** The argument of the callback registered by `register`. */
const calledBack = (what, register) => within(new Promise(register), what);

const subscribed = (channel) => calledBack(`${channel.name} to be subscribed`, (done) => channel.subscribed(done));

test("a public channel: events in the application's namespace", async () => {
  const orders = (await echo()).channel('orders');
  await subscribed(orders);
  const shipped = calledBack('OrderShipped', (done) => orders.listen('OrderShipped', done));
  await rig.sdk(app).trigger('orders', 'App\\Events\\OrderShipped', { id: 1 });
  assert.deepEqual(await shipped, { id: 1 });
});

test('a private channel: events under their own name, none after leaving', async () => {
  const client = await echo();
  const room = client.private('room');
  await subscribed(room);
  const heard = [];
  const done = calledBack('.end', (done) => room.listen('.note', (data) => heard.push(data)).listen('.end', done));
  const sdk = rig.sdk(app);
  await sdk.trigger('private-room', 'note', { n: 1 });
  await sdk.trigger('private-room', 'end', {});
  await done;
  assert.deepEqual(heard, [{ n: 1 }]);
  client.leave('room');
  await subscribed(client.private('other-room'));
  const { channels } = await (await sdk.get({ path: '/channels' })).json();
  assert.deepEqual(channels, { 'private-other-room': {} });
});

test('a presence channel: here, joining, leaving', async () => {
  const [first, second] = [await echo(['*'], 'user-1'), await echo(['*'], 'user-2')];
  const room = first.join('room');
  const here = await calledBack('here', (done) => room.here(done));
  assert.deepEqual(here, [{ name: 'user-1' }]);
  const joining = calledBack('joining', (done) => room.joining(done));
  const leaving = calledBack('leaving', (done) => room.leaving(done));
  const everybody = await calledBack('here', (done) => second.join('room').here(done));
  assert.deepEqual(everybody.map(({ name }) => name).sort(), ['user-1', 'user-2']);
  assert.deepEqual(await joining, { name: 'user-2' });
  second.leave('room');
  assert.deepEqual(await leaving, { name: 'user-2' });
});

test('an encrypted private channel: events sealed by the server', async () => {
  const room = (await echo()).encryptedPrivate('room');
  await subscribed(room);
  const note = calledBack('.note', (done) => room.listen('.note', done));
  await publishPlaintext(rig.sdk(app), 'private-encrypted-room', 'note', '{"text":"sealed"}');
  assert.deepEqual(await note, { text: 'sealed' });
});

for (const kind of ['private', 'join']) {
  test(`a whisper on a channel from ${kind}() reaches the others`, async () => {
    const [first, second] = [await echo(['*'], 'user-1'), await echo(['*'], 'user-2')];
    const [whispering, listening] = [first[kind]('room'), second[kind]('room')];
    await Promise.all([subscribed(whispering), subscribed(listening)]);
    const heard = calledBack('the whisper', (done) => listening.listenForWhisper('typing', done));
    whispering.whisper('typing', { in: 'the box' });
    assert.deepEqual(await heard, { in: 'the box' });
  });
}

test('a notification for a user', async () => {
  const channel = (await echo()).private('App.Models.User.1');
  await subscribed(channel);
  const notification = calledBack('the notification', (done) => channel.notification(done));
  const event = 'Illuminate\\Notifications\\Events\\BroadcastNotificationCreated';
  await rig.sdk(app).trigger('private-App.Models.User.1', event, { type: 'invoice' });
  assert.deepEqual(await notification, { type: 'invoice' });
});

const prefixes = { private: 'private-', join: 'presence-', encryptedPrivate: 'private-encrypted-' };

for (const [kind, prefix] of Object.entries(prefixes)) {
  test(`.error() of ${kind}() is called when the endpoint refuses ${prefix}room`, async () => {
    const client = await echo([`${prefix}other`]);
    const error = await calledBack('the error', (done) => client[kind]('room').error(done));
    assert.equal(error.type, 'AuthError');
    assert.equal(error.status, 403);
  });
}

test(".error() is called when the server refuses a backend's signature", async () => {
  const backend = await rig.backend({ ...app, secret: 'some other secret' });
  const { pusher } = await rig.connect(app, backend.options());
  const client = new Echo({ broadcaster: 'pusher', client: pusher });
  const error = await calledBack('the error', (done) => client.private('room').error(done));
  assert.equal(error.status, 401);
});

test('signing in through Echo', async () => {
  const client = await echo(['*'], 'user-5');
  client.connector.signin();
  const { pusher } = client.connector;
  const invoice = calledBack('the event for the user', (done) => pusher.user.bind('invoice', done));
  await calledBack('the sign-in', (done) => pusher.bind('pusher:signin_success', done));
  await rig.sdk(app).sendToUser('user-5', 'invoice', { number: 1 });
  assert.deepEqual(await invoice, { number: 1 });
});
