import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMasterKey, aSealingApp, channelKey } from './support/app.mjs';
import { opened } from './support/envelope.mjs';
import { serve } from './support/rig.mjs';
import { EVENT, Swarm } from './support/swarm.mjs';
import { Traffic } from './support/traffic.mjs';
import { eventually } from './support/wait.mjs';

const rotation = { hold_ms: 1_000 };
const anApp = (more = {}) => aSealingApp({ authorizer: 'open', rotation: { ...rotation, ...more } });
const apps = { slow: anApp(), failing: anApp(), twice: anApp({ settle_ms: 2_000, hold_ms: 5_000 }), dotnet: anApp({ grace_seconds: 3 }) };
const rig = serve({ apps: Object.values(apps) });
const room = 'private-encrypted-room';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A client under numbered traffic. `hindered()` is awaited before each re-authorization. */
async function underTraffic(app, hindered) {
  const { url } = rig.server;
  const state = { joined: false };
  const swarm = new Swarm(0, 1, { url, app, channels: [room], before: () => (state.joined ? hindered() : undefined) });
  rig.leaves(() => swarm.leave());
  await swarm.join();
  state.joined = true;
  const traffic = new Traffic({ url, app, channels: [room], perSecond: 20 });
  traffic.start();
  return { swarm, traffic };
}

async function reverted(app) {
  let keys;
  const isReverted = async () => {
    keys = await rig.server.admin.keys(app);
    return keys.rotation.reverted > 0;
  };
  await eventually(isReverted, 'the client to be given up', { ms: 15_000 });
  return keys.rotation;
}

async function nothingIsMissing(swarm, traffic) {
  await traffic.stop();
  assert.equal(await swarm.drained(traffic.sent), 0);
  const { disorder, anomalies, states } = swarm.report();
  assert.deepEqual({ disorder, anomalies, states }, { disorder: 0, anomalies: [], states: [] });
}

test('a client with a late auth response keeps the old key and has another turn later (encryption.md 4)', async () => {
  const app = apps.slow;
  // Longer than hold_ms.
  let slow = true;
  const { swarm, traffic } = await underTraffic(app, () => (slow ? sleep(3_000) : undefined));
  const key = aMasterKey();
  await rig.server.admin.rotate(app, { key });
  const { remaining, closed } = await reverted(app);
  assert.deepEqual({ remaining, closed }, { remaining: 1, closed: 0 });
  await eventually(() => swarm.opening((channel) => channelKey(app.masterKey, channel)) === 1, 'a frame with the old key');
  slow = false;
  await rig.server.admin.moved(app);
  await nothingIsMissing(swarm, traffic);
  assert.equal(swarm.opening((channel) => channelKey(key, channel)), 1);
  assert.equal(swarm.asked.length, 2);
});

test('a client with a failing auth endpoint keeps the old key (encryption.md 4)', async () => {
  const app = apps.failing;
  const { swarm, traffic } = await underTraffic(app, () => {
    throw new Error('500');
  });
  await rig.server.admin.rotate(app, { key: aMasterKey() });
  const { remaining, closed } = await reverted(app);
  assert.deepEqual({ remaining, closed }, { remaining: 1, closed: 0 });
  await nothingIsMissing(swarm, traffic);
  assert.equal(swarm.opening((channel) => channelKey(app.masterKey, channel)), 1);
  assert.equal(swarm.asked.length, 1);
});

test('a rotation right after another does not wait for a second try (encryption.md 4)', async () => {
  const app = apps.twice;
  const { swarm, traffic } = await underTraffic(app, () => undefined);
  for (let n = 0; n < 2; n += 1) {
    await rig.server.admin.rotate(app, { key: aMasterKey() });
    // A second try comes after ten seconds.
    await rig.server.admin.moved(app, 9_000);
  }
  await nothingIsMissing(swarm, traffic);
  assert.equal(swarm.asked.length, 2);
});

test('a client that cannot re-authorize is served with the old key until the grace period ends, then must reconnect (encryption.md 4)', async () => {
  const app = apps.dotnet;
  const raw = await rig.raw(app, 'protocol=7&client=pusher-dotnet-client&version=6.0.0');
  const fields = { socket_id: raw.socketId, channel_name: room };
  const { body } = await rig.postForm(`/apps/${app.id}/auth/channel`, fields);
  assert.equal(body.shared_secret, Buffer.from(channelKey(app.masterKey, room)).toString('base64'));
  await raw.subscribed(room);
  const key = aMasterKey();
  await rig.server.admin.rotate(app, { key });
  const traffic = new Traffic({ url: rig.server.url, app, channels: [room], perSecond: 10 });
  traffic.start();
  for (let n = 0; n < 10; n += 1) {
    const { data } = await raw.next(EVENT);
    assert.equal(JSON.parse(opened(data, channelKey(app.masterKey, room))).n, n);
    assert.equal(opened(data, channelKey(key, room)), null);
  }
  assert.equal(await raw.closed, 4200);
  await traffic.stop();
  const { keys } = await rig.server.admin.keys(app);
  assert.deepEqual(keys.map(({ state }) => state), ['grace', 'active']);
  assert.equal(raw.seen.includes('sealcast:rekey'), false);
  const isRetired = async () => (await rig.server.admin.keys(app)).keys[0].state === 'retired';
  await eventually(isRetired, 'the old key to be retired');
});
