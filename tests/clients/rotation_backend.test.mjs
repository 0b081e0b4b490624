import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMasterKey, aSealingApp, channelKey } from './support/app.mjs';
import { Backend } from './support/backend.mjs';
import { isKept, promises } from './support/rotation.mjs';
import { refusal, serve } from './support/rig.mjs';
import { EVENT, Swarm } from './support/swarm.mjs';
import { Traffic } from './support/traffic.mjs';
import { eventually } from './support/wait.mjs';

// The application's own backend issues the secrets: the server does not see its answers.
// It holds events back for a fixed time, in which a client of a busy machine must have asked.
const rotation = { turns_per_second: 20, hold_ms: 3_000 };
const anApp = () => aSealingApp({ rotation });
const apps = { announced: anApp(), publishing: anApp() };
const rig = serve({ apps: Object.values(apps) });
const channels = ['a', 'b'].map((name) => `private-encrypted-${name}`);
const CLIENTS = 5;

/** A backend that can be given another key, to be used from a time on. */
async function switchingBackend(app) {
  const withKey = (encryptionMasterKeyBase64) => rig.sdk(app, { encryptionMasterKeyBase64 });
  const [old, next] = [withKey(app.masterKey), { from: Infinity }];
  // By the clock, as in the server: a timer may be late.
  const sdk = () => (Date.now() >= next.from ? next.sdk : old);
  const backend = await Backend.start({ authorizeChannel: (...asked) => sdk().authorizeChannel(...asked) });
  rig.leaves(() => backend.stop());
  const useAt = (key, seconds) => Object.assign(next, { sdk: withKey(key), from: seconds * 1_000 });
  return Object.assign(backend, { sdk, useAt });
}

async function swarmWith(backend, app, count = CLIENTS) {
  const swarm = new Swarm(0, count, { url: rig.server.url, app, channels, endpoint: `${backend.url}/pusher/auth` });
  rig.leaves(() => swarm.leave());
  await swarm.join();
  return swarm;
}

test("an announced key change of the application's own backend: one auth request each, nothing lost, in order (encryption.md 4)", async () => {
  const app = apps.announced;
  const { url, admin } = rig.server;
  const backend = await switchingBackend(app);
  const swarm = await swarmWith(backend, app);
  const traffic = new Traffic({ url, app, channels, perSecond: 20 });
  traffic.start();
  const key = aMasterKey();
  const { state, until } = await admin.rotate(app, { key, activate_in_seconds: 2 });
  assert.equal(state, 'pending');
  backend.useAt(key, until);
  await eventually(async () => {
    // The state, the nudges and the requests of one moment, or of an earlier one.
    const asked = swarm.asked.length;
    const { keys, rotation } = await admin.keys(app);
    if (keys.at(-1).state === 'active') return true;
    assert.deepEqual([rotation.nudges, asked], [0, 0], 'no client is asked to move before the announced time');
    return false;
  }, 'the announced time');
  await traffic.more(1);
  await admin.moved(app);
  await traffic.stop();
  const outcome = {
    missing: await swarm.drained(traffic.sent),
    openWithNew: swarm.opening((channel) => channelKey(key, channel)),
    openWithOld: swarm.opening((channel) => channelKey(app.masterKey, channel)),
  };
  const report = swarm.report();
  const places = CLIENTS * channels.length;
  for (const row of promises([report], { places, rotations: 1, outcome })) {
    assert.ok(isKept(row), `${row[0]}: ${row[1]}; ${JSON.stringify(report.anomalies)}`);
  }
  assert.equal(report.asked.length, places, 'at most one question for each socket and channel');
  assert.equal((await admin.keys(app)).rotation.reauthorized, 0, 'and none of them to the server');
});

test('events sealed by the backend open for all, with either key (encryption.md 4)', async () => {
  const app = apps.publishing;
  const { admin } = rig.server;
  const backend = await switchingBackend(app);
  const swarm = await swarmWith(backend, app);
  const [old, key] = [backend.sdk(), aMasterKey()];
  let n = 0;
  const send = async (sdk) => {
    for (const channel of channels) await sdk.trigger(channel, EVENT, { n, at: Date.now() });
    n += 1;
  };
  await send(old);
  const { until } = await admin.rotate(app, { key, activate_in_seconds: 1 });
  // The backend may already use a pending key.
  const early = rig.sdk(app, { encryptionMasterKeyBase64: key });
  await send(early);
  await send(old);
  backend.useAt(key, until);
  const isActive = async () => (await admin.keys(app)).keys.at(-1).state === 'active';
  while (!(await isActive())) await send(old);
  const isOver = async () => (await admin.keys(app)).rotation.remaining === 0;
  while (!(await isOver())) await send(n % 2 === 0 ? old : backend.sdk());
  await send(backend.sdk());
  assert.equal(await swarm.drained(n), 0);
  const { disorder, anomalies, states, asked } = swarm.report();
  assert.deepEqual({ disorder, anomalies, states }, { disorder: 0, anomalies: [], states: [] });
  assert.equal(asked.length, CLIENTS * channels.length);
  const stranger = rig.sdk(app, { encryptionMasterKeyBase64: aMasterKey() });
  assert.equal((await refusal(stranger.trigger(channels[0], EVENT, { n }))).code, 'envelope_does_not_open');
  assert.equal(swarm.asked.length, asked.length, 'which nobody had to ask for');
});
