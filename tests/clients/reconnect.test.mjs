import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aSealingApp } from './support/app.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';

const app = aSealingApp({ authorizer: 'open' });
const rig = serve({ apps: [app] });

test('after a lost connection a client returns with a new socket id and all its channels (protocol.md 10)', async () => {
  const proxy = await rig.proxy();
  const client = await rig.connect(app, { ...rig.endpoint(app), wsPort: proxy.port });
  const channels = ['news', 'private-room', 'private-encrypted-room'];
  const subscriptions = await Promise.all(channels.map((channel) => client.subscribed(channel)));
  const before = client.socketId;

  proxy.cut();
  await client.reaches('connecting');
  await client.reaches('connected');
  assert.notEqual(client.socketId, before);
  for (const subscription of subscriptions) await subscription.succeeded();
  for (const channel of channels) await publishPlaintext(rig.sdk(app), channel, 'note', '{"n":1}');
  for (const subscription of subscriptions) assert.deepEqual(await subscription.next('note'), { n: 1 });
});

test('the others see a disconnected member leave and return (protocol.md 3)', async () => {
  const watcher = await rig.connectWithEndpoint(app, { params: { user_id: 'watcher' } });
  const room = await watcher.subscribed('presence-room');
  const proxy = await rig.proxy();
  const options = { ...rig.endpoint(app, { params: { user_id: 'user-1' } }), wsPort: proxy.port };
  const member = await rig.connect(app, options);
  const sameRoom = await member.subscribed('presence-room');
  assert.equal((await room.next('pusher:member_added')).id, 'user-1');

  proxy.cut();
  assert.equal((await room.next('pusher:member_removed')).id, 'user-1');
  assert.equal((await room.next('pusher:member_added')).id, 'user-1');
  assert.equal((await sameRoom.succeeded()).count, 2);
});

test('a page with many hundred channels regains all of them after each reconnect, with default limits (protocol.md 11)', async () => {
  const proxy = await rig.proxy();
  const client = await rig.connect(app, { ...rig.endpoint(app), wsPort: proxy.port });
  const numbers = Array.from({ length: 400 }, (_, n) => n);
  const channels = numbers.flatMap((n) => [`news-${n}`, `scores-${n}`, `private-room-${n}`]);
  const subscriptions = channels.map((channel) => client.subscribe(channel));
  for (const subscription of subscriptions) await subscription.succeeded();
  for (let round = 0; round < 2; round += 1) {
    proxy.cut();
    await client.reaches('connected');
    for (const subscription of subscriptions) await subscription.succeeded();
  }
});
