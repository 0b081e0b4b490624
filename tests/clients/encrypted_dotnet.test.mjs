import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aSealingApp, channelKey, dotnetChannelKey } from './support/app.mjs';
import { encryptingBuilds } from './support/builds.mjs';
import { opened, sealed } from './support/envelope.mjs';
import { publishPlaintext, refusal, serve } from './support/rig.mjs';

const app = aSealingApp({ authorizer: 'open', derivation: 'dotnet' });
const rig = serve({ apps: [app] });
const room = 'private-encrypted-room';

for (const [name, build] of Object.entries(encryptingBuilds)) {
  test(`${name} works with keys derived as the .NET SDK does (encryption.md 3)`, async () => {
    const client = await rig.connectWithEndpoint(app, { build });
    const subscription = await client.subscribed(room);
    await publishPlaintext(rig.sdk(app), room, 'note', '{"text":"hello"}');
    assert.deepEqual(await subscription.next('note'), { text: 'hello' });
  });
}

test('the endpoint returns HMAC-SHA256(master key, channel) (encryption.md 3)', async () => {
  const { socketId } = await rig.raw(app);
  const fields = { socket_id: socketId, channel_name: room };
  const { body } = await rig.postForm(`/apps/${app.id}/auth/channel`, fields);
  assert.equal(body.shared_secret, Buffer.from(dotnetChannelKey(app.masterKey, room)).toString('base64'));
});

test('events sealed by the .NET SDK are relayed, those of other SDKs do not open (encryption.md 3)', async () => {
  const raw = await rig.raw(app);
  await raw.subscribed(room);
  const sdk = rig.sdk(app);
  const envelope = sealed('hello', dotnetChannelKey(app.masterKey, room));
  await publishPlaintext(sdk, room, 'note', envelope);
  const { data } = await raw.next('note');
  assert.equal(data, envelope);
  assert.equal(opened(data, channelKey(app.masterKey, room)), null);
  const others = publishPlaintext(sdk, room, 'note', sealed('hello', channelKey(app.masterKey, room)));
  assert.equal((await refusal(others)).code, 'envelope_does_not_open');
});
