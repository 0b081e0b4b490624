import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp } from './support/app.mjs';
import { refuse } from './support/backend.mjs';
import { serve } from './support/rig.mjs';

const app = anApp();
const rig = serve({ apps: [app] });

test("the application's backend lets a client into a private channel (protocol.md 2.3)", async () => {
  const backend = await rig.backend(app);
  const client = await rig.connect(app, backend.options());
  const room = await client.subscribed('private-room');
  await rig.sdk(app).trigger('private-room', 'note', { n: 1 });
  assert.deepEqual(await room.next('note'), { n: 1 });
  assert.deepEqual(backend.requests, [{ socket_id: client.socketId, channel_name: 'private-room' }]);
});

test('channel_data on a plain private channel is part of the signed text (protocol.md 2.3)', async () => {
  const backend = await rig.backend(app, { channels: () => ({ user_id: 'user-1' }) });
  const client = await rig.connect(app, backend.options());
  await client.subscribed('private-room');
});

test('a backend with another secret is refused at the server, the connection stays (protocol.md 2.4)', async () => {
  const backend = await rig.backend({ ...app, secret: 'some other secret' });
  const client = await rig.connect(app, backend.options());
  const refusal = await client.refused('private-room');
  assert.equal(refusal.type, 'AuthError');
  assert.equal(refusal.status, 401);
  const error = await client.nextError();
  assert.equal(error.code, null);
  assert.equal(client.state, 'connected');
  await client.subscribed('public-room');
});

test('the refusal does not reveal the right signature (protocol.md 2.4)', async () => {
  const raw = await rig.raw(app);
  const signed = await rig.sdk(app).authorizeChannel(raw.socketId, 'private-room');
  raw.send({ event: 'pusher:subscribe', data: { channel: 'private-room', auth: `${app.key}:${'0'.repeat(64)}` } });
  const frames = [await raw.next('pusher:subscription_error'), await raw.next('pusher:error')];
  assert.ok(!JSON.stringify(frames).includes(signed.auth.split(':')[1]));
});

test('the signature of another channel, another socket or another key is refused (protocol.md 2.3)', async () => {
  const [raw, other] = [await rig.raw(app), await rig.raw(app)];
  const sdk = rig.sdk(app);
  const right = sdk.authorizeChannel(raw.socketId, 'private-room').auth;
  const wrong = [
    sdk.authorizeChannel(raw.socketId, 'private-room-2').auth,
    sdk.authorizeChannel(other.socketId, 'private-room').auth,
    right.replace(app.key, 'another-key'),
    right.slice(0, -1),
    '',
  ];
  for (const auth of wrong) {
    raw.send({ event: 'pusher:subscribe', data: { channel: 'private-room', auth } });
    const { channel, data } = await raw.next('pusher:subscription_error');
    assert.deepEqual({ channel, status: data.status }, { channel: 'private-room', status: 401 }, `auth ${auth}`);
  }
  raw.send({ event: 'pusher:subscribe', data: { channel: 'private-room', auth: right } });
  await raw.next('pusher_internal:subscription_succeeded');
});

test("a backend's refusal prevents the subscription (protocol.md 10)", async () => {
  const backend = await rig.backend(app, { channels: refuse });
  const client = await rig.connect(app, backend.options());
  assert.equal((await client.refused('private-room')).status, 403);
});

test('a private channel needs a signature (protocol.md 2.1)', async () => {
  const raw = await rig.raw(app);
  const channels = ['private-room', 'private-x-cache-y', 'private-nocache-x', 'presence-room', 'private-encrypted-room'];
  for (const channel of channels) {
    raw.send({ event: 'pusher:subscribe', data: { channel } });
    assert.equal((await raw.next('pusher:subscription_error')).channel, channel);
  }
});

test('a second subscribe changes nothing and doubles nothing (protocol.md 2.5)', async () => {
  const raw = await rig.raw(app);
  await raw.subscribed('private-room');
  raw.send({
    event: 'pusher:subscribe',
    data: { channel: 'private-room', auth: rig.sdk(app).authorizeChannel(raw.socketId, 'private-room').auth },
  });
  assert.equal((await raw.next('pusher:error')).data.code, null);
  const sdk = rig.sdk(app);
  await sdk.trigger('private-room', 'note', 1);
  await sdk.trigger('private-room', 'end', 2);
  await raw.next('end');
  assert.equal(raw.seen.filter((event) => event === 'note').length, 1);
});
