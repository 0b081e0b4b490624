import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp } from './support/app.mjs';
import { serve } from './support/rig.mjs';

const app = anApp();
const rig = serve({ apps: [app] });

test('a stopping server closes with 4200, so that clients reconnect at once (protocol.md 1.6)', async () => {
  const client = await rig.connect(app);
  const raw = await rig.raw(app);
  await rig.server.stop();
  assert.equal(await raw.closed, 4200);
  assert.equal((await client.nextError()).code, 4200);
  await client.reaches('connecting');
});
