import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMasterKey, anApp, aSealingApp, channelKey } from './support/app.mjs';
import { encryptingBuilds } from './support/builds.mjs';
import { opened } from './support/envelope.mjs';
import { publishPlaintext, refusal, serve } from './support/rig.mjs';

const blind = { ...anApp({ authorizer: 'open' }), masterKey: aMasterKey() };
const partly = aSealingApp({
  authorizer: 'open',
  channels: [{ pattern: 'private-encrypted-direct-*', mode: 'blind' }],
});
const backendsKey = aMasterKey();
const rig = serve({ apps: [blind, partly] });
const room = 'private-encrypted-room';

const sealingSdk = (app) => rig.sdk(app, { encryptionMasterKeyBase64: app.masterKey });

for (const [name, build] of Object.entries(encryptingBuilds)) {
  test(`without any key at the server the SDK's event reaches ${name} (encryption.md 1)`, async () => {
    const backend = await rig.backend(blind, {}, { encryptionMasterKeyBase64: blind.masterKey });
    const client = await rig.connect(blind, backend.options(), { build });
    const raw = await rig.raw(blind);
    const subscription = await client.subscribed(room);
    await raw.subscribed(room);
    const sdk = sealingSdk(blind);
    await sdk.trigger(room, 'note', { text: 'hello' });
    assert.deepEqual(await subscription.next('note'), { text: 'hello' });
    const { data } = await raw.next('note');
    assert.equal(data, sdk.sent[0].data);
    assert.equal(opened(data, channelKey(blind.masterKey, room)), '{"text":"hello"}');
  });
}

const plaintext = 'plaintext_on_encrypted_channel';
const malformed = 'envelope_does_not_open';
const notEnvelopes = {
  'a bare word': ['hello', plaintext],
  'an object': ['{"a":1}', plaintext],
  'an empty string': ['', plaintext],
  'an envelope with a short nonce': ['{"nonce":"AAAA","ciphertext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}', malformed],
  'an envelope with a short ciphertext': [`{"nonce":"${'A'.repeat(32)}","ciphertext":"AAAA"}`, malformed],
};

for (const [name, [data, expected]] of Object.entries(notEnvelopes)) {
  test(`${name} is refused in blind mode and not delivered (encryption.md 1)`, async () => {
    const raw = await rig.raw(blind);
    await raw.subscribed(room);
    const { status, code } = await refusal(publishPlaintext(rig.sdk(blind), room, 'note', data));
    assert.deepEqual({ status, code }, { status: 422, code: expected });
    await sealingSdk(blind).trigger(room, 'end', 1);
    await raw.next('end');
    assert.ok(!raw.seen.includes('note'));
  });
}

test('plaintext in a batch rejects the whole batch (protocol.md 7.3)', async () => {
  const client = await rig.connect(blind);
  const news = await client.subscribed('news');
  const sdk = rig.sdk(blind);
  const batch = ['news', room].map((channel) => ({ channel, name: 'note', data: 'hello' }));
  const { status, code } = await refusal(sdk.post({ path: '/batch_events', body: { batch } }));
  assert.deepEqual({ status, code }, { status: 422, code: plaintext });
  await sdk.trigger('news', 'end', 1);
  await news.next('end');
  assert.deepEqual(news.seen, ['end']);
});

test('without a key the endpoint refuses encrypted channels', async () => {
  const client = await rig.connectWithEndpoint(blind);
  const refusal = await client.refused(room);
  assert.equal(refusal.type, 'AuthError');
  assert.ok(refusal.status >= 400, `status ${refusal.status}`);
});

test('a rule can make single channels blind while the server holds a key (encryption.md 1)', async () => {
  const direct = 'private-encrypted-direct-1';
  const backend = await rig.backend(partly, {}, { encryptionMasterKeyBase64: backendsKey });
  const client = await rig.connect(partly, backend.options());
  const subscription = await client.subscribed(direct);
  const { status } = await refusal(publishPlaintext(rig.sdk(partly), direct, 'note', 'hello'));
  assert.equal(status, 422);
  await rig.sdk(partly, { encryptionMasterKeyBase64: backendsKey }).trigger(direct, 'note', 'sealed by the SDK');
  assert.equal(await subscription.next('note'), 'sealed by the SDK');
});

test('channels without such a rule are sealed (encryption.md 1)', async () => {
  const client = await rig.connectWithEndpoint(partly);
  const subscription = await client.subscribed(room);
  await publishPlaintext(rig.sdk(partly), room, 'note', 'sealed by the server');
  assert.equal(await subscription.next('note'), 'sealed by the server');
});

test('the endpoint returns no secret of a blind channel', async () => {
  const client = await rig.connectWithEndpoint(partly);
  assert.equal((await client.refused('private-encrypted-direct-1')).status, 403);
});
