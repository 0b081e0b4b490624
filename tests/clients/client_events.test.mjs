import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp, aSealingApp, channelAuth } from './support/app.mjs';
import { serve } from './support/rig.mjs';

const app = aSealingApp({ authorizer: 'open', client_events: true });
const silent = anApp({ authorizer: 'open' });
const slow = anApp({ authorizer: 'open', client_events: true, limits: { client_events_per_second: 2 } });
const rig = serve({ apps: [app, silent, slow] });

/** Two clients of an app in one channel. */
async function two(app, channel, params = [{}, {}]) {
  const sender = await rig.connectWithEndpoint(app, { params: params[0] });
  const receiver = await rig.connectWithEndpoint(app, { params: params[1] });
  return { sender, sending: await sender.subscribed(channel), receiving: await receiver.subscribed(channel) };
}

test('a client event reaches the others and not its sender (protocol.md 6)', async () => {
  const { sending, receiving } = await two(app, 'private-room');
  sending.trigger('client-typing', { in: 'the box' });
  assert.deepEqual(await receiving.next('client-typing'), { in: 'the box' });
  await rig.sdk(app).trigger('private-room', 'end', 1);
  await sending.next('end');
  assert.deepEqual(sending.seen, ['end']);
});

test("on a presence channel the event carries the sender's user_id (protocol.md 6)", async () => {
  const { sending, receiving } = await two(app, 'presence-room', [{ user_id: 'user-1' }, { user_id: 'user-2' }]);
  const arrives = receiving.nextWithMetadata('client-typing');
  sending.trigger('client-typing', 'x');
  assert.deepEqual(await arrives, { data: 'x', metadata: { user_id: 'user-1' } });
});

test('a client cannot send as another user (protocol.md 6)', async () => {
  const forger = await rig.raw(app);
  const channel_data = '{"user_id":"user-1"}';
  const auth = channelAuth(app, forger.socketId, 'presence-room', channel_data);
  forger.send({ event: 'pusher:subscribe', data: { channel: 'presence-room', auth, channel_data } });
  await forger.next('pusher_internal:subscription_succeeded');
  const client = await rig.connectWithEndpoint(app, { params: { user_id: 'user-2' } });
  const room = await client.subscribed('presence-room');
  const arrives = room.nextWithMetadata('client-vote');
  forger.send({ event: 'client-vote', channel: 'presence-room', data: 'yes', user_id: 'user-3' });
  assert.deepEqual((await arrives).metadata, { user_id: 'user-1' });
});

const sent = { 'a string': 'hello', 'an object': { a: [1, null] }, 'a number': 7 };

for (const [name, data] of Object.entries(sent)) {
  test(`${name} from a client is a string on the wire and the same for pusher-js (protocol.md 6)`, async () => {
    const { sending, receiving } = await two(app, 'private-room');
    const raw = await rig.raw(app);
    await raw.subscribed('private-room');
    sending.trigger('client-note', data);
    assert.deepEqual(await receiving.next('client-note'), data);
    const frame = await raw.next('client-note');
    assert.equal(frame.data, typeof data === 'string' ? data : JSON.stringify(data));
  });
}

test('too many client events are refused with 4301, the connection stays (protocol.md 6)', async () => {
  const { sender, sending, receiving } = await two(slow, 'private-room');
  const burst = 40;
  for (let n = 0; n < burst; n += 1) sending.trigger('client-move', n);
  assert.equal((await sender.nextError()).code, 4301);
  await sender.subscribed('fence');
  await rig.sdk(slow).trigger('private-room', 'end', 1);
  await Promise.all([receiving.next('end'), sending.next('end')]);
  const relayed = receiving.seen.filter((event) => event === 'client-move').length;
  assert.ok(relayed > 0 && relayed < burst, `${relayed} of ${burst} were relayed`);
  assert.equal(sender.state, 'connected');
});

/** Expects an error for a client event, and no delivery. */
async function assertRefused(app, channel, event, data) {
  const { sender, sending, receiving } = await two(app, channel);
  sending.trigger(event, data);
  const error = await sender.nextError();
  assert.equal(error.code, null, error.message);
  await rig.sdk(app).trigger(channel, 'end', 1);
  await receiving.next('end');
  assert.deepEqual(receiving.seen, ['end']);
}

test('a client event on a public channel is refused (protocol.md 6)', () => assertRefused(app, 'news', 'client-note', 1));

test('a client event is refused unless the app allows them (protocol.md 6)', () =>
  assertRefused(silent, 'private-room', 'client-note', 1));

test('a client event without data is refused (protocol.md 6)', () => assertRefused(app, 'private-room', 'client-note'));

test('an oversized client event is refused (protocol.md 6)', () =>
  assertRefused(app, 'private-room', 'client-note', 'x'.repeat(10_241)));

test('a client event without a subscription is refused (protocol.md 6)', async () => {
  const client = await rig.connectWithEndpoint(app);
  client.pusher.send_event('client-note', 1, 'private-room');
  assert.equal((await client.nextError()).code, null);
});

test('a client event on an encrypted channel is refused and not delivered (protocol.md 6)', async () => {
  const [sender, receiver] = [await rig.raw(app), await rig.raw(app)];
  await Promise.all([sender.subscribed('private-encrypted-room'), receiver.subscribed('private-encrypted-room')]);
  sender.send({ event: 'client-note', channel: 'private-encrypted-room', data: 'plain' });
  assert.equal((await sender.next('pusher:error')).data.code, null);
  await sender.subscribed('private-fence');
  await receiver.subscribed('private-fence');
  assert.ok(!receiver.seen.includes('client-note'));
});
