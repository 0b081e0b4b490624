import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMasterKey, aSealingApp } from './support/app.mjs';
import { serve } from './support/rig.mjs';
import { Traffic } from './support/traffic.mjs';
import { Workers } from './support/workers.mjs';

// The clients read far less often than frames are held.
const app = aSealingApp({ authorizer: 'open', rotation: { turns_per_second: 30, settle_ms: 20, hold_ms: 10_000 } });
const rig = serve({ apps: [app] });
const channels = ['a', 'b', 'c'].map((name) => `private-encrypted-${name}`);
const CLIENTS = 8;
const BUSY_MS = 150;
const ROTATIONS = 2;

test('busy clients read frames before the auth response, and keep their order (encryption.md 4)', async () => {
  const { url, admin } = rig.server;
  const swarm = new Workers(1);
  rig.leaves(() => swarm.stop());
  await swarm.join(CLIENTS, { url: url.href, app, channels });
  const traffic = new Traffic({ url, app, channels, perSecond: 40 });
  traffic.start();
  await swarm.ask('busy', { ms: BUSY_MS });
  for (let n = 0; n < ROTATIONS; n += 1) {
    await admin.rotate(app, { key: aMasterKey() });
    await admin.moved(app);
  }
  await swarm.ask('busy', { ms: 0 });
  await traffic.stop();
  assert.deepEqual(await swarm.ask('drained', { sent: traffic.sent, ms: 15_000 }), [0]);
  const [{ disorder, anomalies, states, asked }] = await swarm.ask('report');
  assert.deepEqual({ disorder, anomalies, states }, { disorder: 0, anomalies: [], states: [] });
  assert.equal(asked.length, CLIENTS * channels.length * ROTATIONS);
});
