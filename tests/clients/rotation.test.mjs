import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMasterKey, aSealingApp, channelKey } from './support/app.mjs';
import { promises, isKept } from './support/rotation.mjs';
import { serve } from './support/rig.mjs';
import { Swarm } from './support/swarm.mjs';
import { Traffic } from './support/traffic.mjs';

// A small edition of rotation.full.mjs. It counts, and measures no time: it holds on a busy machine as well.
const CLIENTS = 20;
const ROTATIONS = 3;
/** Messages on each channel before the first rotation, and in the course of each. */
const MESSAGES = 10;
const channels = ['a', 'b', 'c'].map((name) => `private-encrypted-${name}`);

// On a busy machine, a client's auth request may come late.
const rotation = { turns_per_second: 30, hold_ms: 10_000 };
const app = aSealingApp({ authorizer: 'open', rotation });
const rig = serve({ apps: [app] });

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test('20 clients lose nothing while the master key changes three times under traffic (encryption.md 4)', async () => {
  const { url, admin } = rig.server;
  // The latency of a slow network.
  const before = () => sleep(Math.random() * 150);
  const swarm = new Swarm(0, CLIENTS, { url, app, channels, before });
  rig.leaves(() => swarm.leave());
  await swarm.join();
  const traffic = new Traffic({ url, app, channels, perSecond: 20 });
  traffic.start();
  await traffic.more(MESSAGES);
  const keys = [app.masterKey];
  for (let n = 0; n < ROTATIONS; n += 1) {
    keys.push(aMasterKey());
    const { state } = await admin.rotate(app, { key: keys.at(-1) });
    assert.equal(state, 'active');
    await traffic.more(MESSAGES);
    await admin.moved(app);
  }
  await traffic.stop();
  const [newest, ...old] = keys.toReversed();
  const outcome = {
    missing: await swarm.drained(traffic.sent),
    openWithNew: swarm.opening((channel) => channelKey(newest, channel)),
    openWithOld: old.reduce((sum, key) => sum + swarm.opening((channel) => channelKey(key, channel)), 0),
  };
  const report = swarm.report();
  const rows = promises([report], { places: CLIENTS * channels.length, rotations: ROTATIONS, outcome });
  for (const row of rows) assert.ok(isKept(row), `${row[0]}: ${row[1]}; ${JSON.stringify(report.anomalies)}`);
  assert.equal(report.received, traffic.sent * CLIENTS * channels.length);
});
