import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp } from './support/app.mjs';
import { serve } from './support/rig.mjs';

const app = anApp();
const small = anApp({ limits: { presence_members: 2 } });
const rig = serve({ apps: [app, small] });

/** A backend that trusts the client's own user id and user info. */
const trusting = ({ user_id, user_info }) => ({ user_id, ...(user_info && { user_info: JSON.parse(user_info) }) });

async function join(app, user_id, user_info) {
  const backend = await rig.backend(app, { channels: trusting });
  const params = { user_id, ...(user_info && { user_info: JSON.stringify(user_info) }) };
  return rig.connect(app, backend.options(params));
}

test('a newcomer sees all members, the others see the newcomer join and leave (protocol.md 3)', async () => {
  const first = await join(app, 'user-1', { name: 'One' });
  const room = await first.subscribed('presence-room');
  assert.deepEqual(room.members.members, { 'user-1': { name: 'One' } });

  const second = await join(app, 'user-2', { name: 'Two' });
  const sameRoom = await second.subscribed('presence-room');
  assert.equal(sameRoom.members.count, 2);
  assert.deepEqual(sameRoom.members.members, { 'user-1': { name: 'One' }, 'user-2': { name: 'Two' } });
  assert.deepEqual(sameRoom.members.me, { id: 'user-2', info: { name: 'Two' } });
  assert.deepEqual(await room.next('pusher:member_added'), { id: 'user-2', info: { name: 'Two' } });

  second.unsubscribe('presence-room');
  assert.deepEqual(await room.next('pusher:member_removed'), { id: 'user-2', info: { name: 'Two' } });
  assert.equal(room.members.count, 1);
});

test('a member that disconnects has left (protocol.md 3)', async () => {
  const [first, second] = [await join(app, 'user-1'), await join(app, 'user-2')];
  const room = await first.subscribed('presence-room');
  await second.subscribed('presence-room');
  await room.next('pusher:member_added');
  await second.disconnect();
  assert.equal((await room.next('pusher:member_removed')).id, 'user-2');
});

test('a user with two connections joins once and leaves with the last (protocol.md 3)', async () => {
  const watcher = await join(app, 'watcher');
  const room = await watcher.subscribed('presence-room');
  const [laptop, phone] = [await join(app, 'user-1'), await join(app, 'user-1')];
  const onLaptop = await laptop.subscribed('presence-room');
  const onPhone = await phone.subscribed('presence-room');
  assert.equal(onPhone.members.count, 2);

  await laptop.disconnect();
  const other = await join(app, 'user-2');
  await other.subscribed('presence-room');
  await phone.disconnect();
  const comings = [await room.next('pusher:member_added'), await room.next('pusher:member_added')];
  assert.deepEqual(comings.map(({ id }) => id), ['user-1', 'user-2']);
  assert.equal((await room.next('pusher:member_removed')).id, 'user-1');
  assert.deepEqual(Object.keys(room.members.members).sort(), ['user-2', 'watcher']);
  assert.equal(onLaptop.members.count, 0, 'pusher-js forgets the members when it disconnects');
});

test('the members on the wire are strings, listed and counted (protocol.md 3)', async () => {
  const raw = await rig.raw(app);
  const channel_data = '{"user_id":10}';
  const { auth } = rig.sdk(app).authorizeChannel(raw.socketId, 'presence-room', JSON.parse(channel_data));
  raw.send({ event: 'pusher:subscribe', data: { channel: 'presence-room', auth, channel_data } });
  const { data } = await raw.next('pusher_internal:subscription_succeeded');
  assert.deepEqual(JSON.parse(data), { presence: { ids: ['10'], hash: { 10: null }, count: 1 } });
});

test('each member is announced by id and removed by id (protocol.md 3)', async () => {
  const watcher = await rig.raw(app);
  const sdk = rig.sdk(app);
  const joining = (socket, user) => {
    const signed = sdk.authorizeChannel(socket.socketId, 'presence-room', user);
    socket.send({ event: 'pusher:subscribe', data: { channel: 'presence-room', ...signed } });
    return socket.next('pusher_internal:subscription_succeeded');
  };
  await joining(watcher, { user_id: 'watcher' });
  const other = await rig.raw(app);
  await joining(other, { user_id: 7, user_info: { name: 'Seven' } });
  const added = await watcher.next('pusher_internal:member_added');
  assert.deepEqual(JSON.parse(added.data), { user_id: '7', user_info: { name: 'Seven' } });
  await other.disconnect();
  const removed = await watcher.next('pusher_internal:member_removed');
  assert.deepEqual(JSON.parse(removed.data), { user_id: '7' });
});

test('a signed-in user joins a presence channel as that user (protocol.md 3)', async () => {
  const backend = await rig.backend(app, {
    channels: () => undefined,
    users: () => ({ id: 'user-9', user_info: { name: 'Nine' } }),
  });
  const client = await rig.connect(app, backend.options());
  await client.signedIn();
  const room = await client.subscribed('presence-room');
  assert.deepEqual(room.members.me, { id: 'user-9', info: { name: 'Nine' } });
});

test('a full room refuses one more user, but not one more connection (protocol.md 2.4, 11)', async () => {
  const members = [await join(small, 'user-1'), await join(small, 'user-2'), await join(small, 'user-2')];
  for (const member of members) await member.subscribed('presence-room');
  const late = await join(small, 'user-3');
  const refusal = await late.refused('presence-room');
  assert.equal(refusal.type, 'LimitReached');
  assert.equal(late.state, 'connected');
});
