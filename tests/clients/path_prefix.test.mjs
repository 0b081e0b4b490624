import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp } from './support/app.mjs';
import { serve } from './support/rig.mjs';

const app = anApp({ authorizer: 'open' });
const rig = serve({ apps: [app], path_prefix: '/live' });

test('clients and authorization work below a path prefix (protocol.md 1.1)', async () => {
  const path = { channel: `/live/apps/${app.id}/auth/channel`, user: `/live/apps/${app.id}/auth/user` };
  const options = { ...rig.endpoint(app, { path }), wsPath: '/live' };
  const client = await rig.connect(app, options);
  await client.subscribed('private-room');
});

test('a client without the prefix is refused for a wrong path (4005, protocol.md 1.6)', async () => {
  const client = rig.client(app);
  assert.equal((await client.nextError()).code, 4005);
});
