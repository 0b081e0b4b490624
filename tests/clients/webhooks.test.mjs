import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { anApp } from './support/app.mjs';
import { Receiver } from './support/receiver.mjs';
import { serve } from './support/rig.mjs';

const receiver = await Receiver.start();
const webhooks = [{ url: receiver.url }];
const app = anApp({ authorizer: 'open', client_events: true, subscription_count: true, webhooks });
const other = anApp();
const rig = serve({ apps: [app, other] });
after(() => receiver.stop());

/** The next webhook with this event, as the official SDK sees it. */
async function told(name) {
  const has = ({ rawBody }) => JSON.parse(rawBody).events[0].name === name;
  const hook = await receiver.hooks.next(name, has);
  const webhook = rig.sdk(app).webhook(hook);
  assert.ok(webhook.isValid(), `the SDK takes it: ${hook.rawBody}`);
  assert.ok(!rig.sdk(other).webhook(hook).isValid(), 'and not for another app');
  const changed = { ...hook, rawBody: hook.rawBody.replace('"channel":"', '"channel":"x') };
  assert.ok(!rig.sdk(app).webhook(changed).isValid(), 'nor when it was changed');
  assert.ok(Math.abs(webhook.getTime() - Date.now()) < 60_000);
  assert.equal(webhook.getEvents().length, 1);
  const { id, occurred_ms, ...event } = webhook.getEvents()[0];
  assert.match(id, /^[0-9a-f]{16}-[0-9]+$/);
  assert.ok(occurred_ms <= webhook.getTime().getTime() && occurred_ms > Date.now() - 60_000);
  return event;
}

test('the official SDK takes webhooks of channels, members and client events (protocol.md 8)', async () => {
  const sender = await rig.connectWithEndpoint(app, { params: { user_id: 'user-1' } });
  const room = await sender.subscribed('presence-room');
  assert.deepEqual(await told('channel_occupied'), { name: 'channel_occupied', channel: 'presence-room' });
  assert.deepEqual(await told('member_added'), { name: 'member_added', channel: 'presence-room', user_id: 'user-1' });
  room.trigger('client-note', { text: 'Grüße ✓' });
  const { socket_id, ...event } = await told('client_event');
  assert.equal(socket_id, sender.pusher.connection.socket_id);
  const data = '{"text":"Grüße ✓"}';
  assert.deepEqual(event, { name: 'client_event', channel: 'presence-room', event: 'client-note', data, user_id: 'user-1' });
  sender.pusher.unsubscribe('presence-room');
  const left = Date.now();
  assert.deepEqual(await told('member_removed'), { name: 'member_removed', channel: 'presence-room', user_id: 'user-1' });
  assert.deepEqual(await told('channel_vacated'), { name: 'channel_vacated', channel: 'presence-room' });
  assert.ok(Date.now() - left > 2_500, 'not before it could come back');
});

test('the official SDK takes webhooks of caches and counts (protocol.md 8)', async () => {
  const client = await rig.connect(app);
  await client.subscribed('cache-news');
  assert.deepEqual(await told('cache_miss'), { name: 'cache_miss', channel: 'cache-news' });
  const count = { name: 'subscription_count', channel: 'cache-news', subscription_count: 1 };
  assert.deepEqual(await told('subscription_count'), count);
});
