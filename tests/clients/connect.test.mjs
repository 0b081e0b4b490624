import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp } from './support/app.mjs';
import { nodeBuild, webBuild, webBuildWithEncryption, workerBuildWithEncryption } from './support/builds.mjs';
import { serve } from './support/rig.mjs';

const app = anApp();
const disabled = anApp({ enabled: false });
const crowded = anApp({ limits: { connections: 1 } });
const rig = serve({ apps: [app, disabled, crowded] });

const builds = {
  'pusher-js in Node': nodeBuild,
  'pusher-js in a browser': webBuild,
  'pusher-js/with-encryption in a browser': webBuildWithEncryption,
  'pusher-js/worker/with-encryption': workerBuildWithEncryption,
};

for (const [name, build] of Object.entries(builds)) {
  test(`${name} connects and gets a socket id (protocol.md 1.3)`, async () => {
    const client = await rig.connect(app, {}, { build });
    assert.match(client.socketId, /^\d+\.\d+$/);
  });
}

test('pusher-js connects with its own choice of transports (protocol.md 1.1)', async () => {
  const client = await rig.connect(app, { enabledTransports: undefined });
  assert.equal(client.pusher.connection.connection.transport.name, 'ws');
});

test('each connection has its own socket id (protocol.md 1.3)', async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => rig.connect(app)));
  assert.equal(new Set(clients.map((client) => client.socketId)).size, 20);
});

test('an idle client pings and gets its pong (protocol.md 1.7)', async () => {
  const client = await rig.connect(app, { activityTimeout: 50 });
  await client.nextMessage('pusher:pong');
  assert.equal(client.state, 'connected');
});

test('an unknown key is refused for good with 4001 (protocol.md 1.4)', async () => {
  const client = rig.client({ key: 'no-such-key' });
  const error = await client.nextError();
  assert.equal(error.code, 4001);
  assert.match(error.message, /no-such-key/);
  await client.reaches('disconnected');
});

test('a disabled app is refused with 4003 (protocol.md 1.6)', async () => {
  const client = rig.client(disabled);
  assert.equal((await client.nextError()).code, 4003);
  await client.reaches('disconnected');
});

test('a connection over the quota is refused with 4004, the others stay (protocol.md 1.6)', async () => {
  const first = await rig.connect(crowded);
  const second = rig.client(crowded);
  assert.equal((await second.nextError()).code, 4004);
  await first.subscribed('room');
});
