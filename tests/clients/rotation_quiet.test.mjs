import assert from 'node:assert/strict';
import { test } from 'node:test';
import Echo from 'laravel-echo';
import { aMasterKey, aSealingApp, channelKey } from './support/app.mjs';
import { encryptingBuilds, JETSOCKET_SAYS, jetsocketBuild } from './support/builds.mjs';
import { opened } from './support/envelope.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';
import { within } from './support/wait.mjs';

const rotation = { hold_ms: 5_000 };
const app = aSealingApp({ authorizer: 'open', rotation });
const named = aSealingApp({ authorizer: 'open', rotation: { ...rotation, nudge_event: 'my-app:new-key' } });
const jetsocketApp = aSealingApp({ authorizer: 'open', rotation, dialect: 'jetsocket' });
const echoApp = aSealingApp({ authorizer: 'open', rotation });
const observed = aSealingApp({ authorizer: 'open', rotation });
const rig = serve({ apps: [app, named, jetsocketApp, echoApp, observed] });
const rooms = ['private-encrypted-quiet-a', 'private-encrypted-quiet-b'];

/** Rotates on quiet channels; returns the number of re-authorizations counted by the server. */
async function rotateInSilence(of, key) {
  const { admin } = rig.server;
  const before = (await admin.keys(of)).rotation.reauthorized;
  await admin.rotate(of, { key });
  return (await admin.moved(of)).rotation.reauthorized - before;
}

async function reads(of, subscription, data) {
  await publishPlaintext(rig.sdk(of), subscription.channel.name, 'note', JSON.stringify(data));
  assert.deepEqual(await subscription.next('note'), data);
}

for (const [name, build] of Object.entries(encryptingBuilds)) {
  test(`${name} on quiet channels: one empty event each, then the new key (encryption.md 4)`, async () => {
    const client = await rig.connectWithEndpoint(app, { build });
    const subscriptions = await Promise.all(rooms.map((room) => client.subscribed(room)));
    assert.equal(await rotateInSilence(app, aMasterKey()), rooms.length);
    for (const subscription of subscriptions) {
      assert.deepEqual(await subscription.next('sealcast:rekey'), {});
      await reads(app, subscription, { n: 1 });
      assert.deepEqual(subscription.seen, ['sealcast:rekey', 'note']);
    }
    assert.equal((await rig.server.admin.keys(app)).rotation.remaining, 0);
    assert.equal(client.state, 'connected');
  });
}

test('the empty event has the configured name (encryption.md 4)', async () => {
  const client = await rig.connectWithEndpoint(named);
  const subscription = await client.subscribed(rooms[0]);
  assert.equal(await rotateInSilence(named, aMasterKey()), 1);
  await subscription.next('my-app:new-key');
  await reads(named, subscription, 'after');
  assert.deepEqual(subscription.seen, ['my-app:new-key', 'note']);
});

test('two tabs of one user have separate turns (encryption.md 4)', async () => {
  const params = { user_id: 'user-1' };
  const tabs = [await rig.connectWithEndpoint(app, { params }), await rig.connectWithEndpoint(app, { params })];
  for (const tab of tabs) await tab.signedIn();
  const subscriptions = await Promise.all(tabs.map((tab) => tab.subscribed(rooms[0])));
  assert.equal(await rotateInSilence(app, aMasterKey()), 2);
  await publishPlaintext(rig.sdk(app), rooms[0], 'note', '1');
  for (const subscription of subscriptions) {
    assert.equal(await subscription.next('note'), 1);
    assert.deepEqual(subscription.seen, ['sealcast:rekey', 'note']);
  }
});

test('a channel with subscribers and one without: both are sealed with the new key afterwards (encryption.md 4)', async () => {
  const client = await rig.connectWithEndpoint(observed);
  await client.subscribed(rooms[0]);
  const key = aMasterKey();
  assert.equal(await rotateInSilence(observed, key), 1);
  const raw = await rig.raw(observed);
  for (const room of rooms) {
    await raw.subscribed(room);
    await publishPlaintext(rig.sdk(observed), room, 'note', '1');
    const { data } = await raw.next('note');
    assert.equal(opened(data, channelKey(key, room)), '1');
    assert.equal(opened(data, channelKey(observed.masterKey, room)), null);
  }
});

test('a Jetsocket client moves as well (encryption.md 4)', async () => {
  const path = { channel: '/jetsocket/auth', user: '/jetsocket/user-auth' };
  const options = rig.endpoint(jetsocketApp, { path, params: { app_key: jetsocketApp.key } });
  const client = await rig.connect(jetsocketApp, options, { build: jetsocketBuild(JETSOCKET_SAYS.nothing), prefix: 'jetsocket' });
  const subscription = await client.subscribed(rooms[0]);
  assert.equal(await rotateInSilence(jetsocketApp, aMasterKey()), 1);
  await subscription.next('sealcast:rekey');
  await reads(jetsocketApp, subscription, { n: 1 });
  assert.equal(client.state, 'connected');
});

test('Laravel Echo moves as well (encryption.md 4)', async () => {
  const { pusher } = await rig.connectWithEndpoint(echoApp);
  const room = new Echo({ broadcaster: 'pusher', client: pusher }).encryptedPrivate('quiet-a');
  const heard = (event) => within(new Promise((resolve) => room.listen(event, resolve)), event);
  await within(new Promise((resolve) => room.subscribed(resolve)), 'Echo to be subscribed');
  const nudge = heard('.sealcast:rekey');
  assert.equal(await rotateInSilence(echoApp, aMasterKey()), 1);
  await nudge;
  const note = heard('.note');
  await publishPlaintext(rig.sdk(echoApp), rooms[0], 'note', '{"n":1}');
  assert.deepEqual(await note, { n: 1 });
});
