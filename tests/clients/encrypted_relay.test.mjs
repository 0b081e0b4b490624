import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMasterKey, aSealingApp, channelKey } from './support/app.mjs';
import { opened, sealed } from './support/envelope.mjs';
import { publishPlaintext, refusal, serve } from './support/rig.mjs';

const app = aSealingApp({ authorizer: 'open' });
const rig = serve({ apps: [app] });
const room = 'private-encrypted-room';

const sealingSdk = () => rig.sdk(app, { encryptionMasterKeyBase64: app.masterKey });

test('an event sealed by the SDK is relayed byte for byte (encryption.md 1)', async () => {
  const [client, raw] = [await rig.connectWithEndpoint(app), await rig.raw(app)];
  const subscription = await client.subscribed(room);
  await raw.subscribed(room);
  const sdk = sealingSdk();
  await sdk.trigger(room, 'note', { text: 'hello' });
  const { data } = await raw.next('note');
  assert.equal(data, sdk.sent[0].data);
  assert.equal(opened(data, channelKey(app.masterKey, room)), '{"text":"hello"}');
  assert.deepEqual(await subscription.next('note'), { text: 'hello' });
});

test('an envelope with other blanks and key order is relayed unchanged (encryption.md 1)', async () => {
  const raw = await rig.raw(app);
  await raw.subscribed(room);
  const { nonce, ciphertext } = JSON.parse(sealed('hello', channelKey(app.masterKey, room)));
  const envelope = `{ "ciphertext" : "${ciphertext}",\n "nonce": "${nonce}" }`;
  await publishPlaintext(rig.sdk(app), room, 'note', envelope);
  assert.equal((await raw.next('note')).data, envelope);
});

test('a batch of the SDK is relayed and sealed item by item (encryption.md 1)', async () => {
  const client = await rig.connectWithEndpoint(app);
  const [news, encrypted] = [await client.subscribed('news'), await client.subscribed(room)];
  await sealingSdk().triggerBatch([
    { channel: room, name: 'note', data: { n: 1 } },
    { channel: 'news', name: 'note', data: { n: 2 } },
  ]);
  assert.deepEqual(await encrypted.next('note'), { n: 1 });
  assert.deepEqual(await news.next('note'), { n: 2 });
});

/** Publishes an event, expects a refusal and no delivery. */
async function assertUndelivered(channels, data, expected) {
  const raw = await rig.raw(app);
  for (const channel of channels) await raw.subscribed(channel);
  const sdk = rig.sdk(app);
  const { status, code } = await refusal(publishPlaintext(sdk, channels, 'note', data));
  assert.deepEqual({ status, code }, expected);
  for (const channel of channels) await publishPlaintext(sdk, channel, 'end', '1');
  for (const _ of channels) await raw.next('end');
  assert.ok(!raw.seen.includes('note'));
}

const doesNotOpen = { status: 422, code: 'envelope_does_not_open' };

test('an envelope of another master key is refused (encryption.md 1)', () =>
  assertUndelivered([room], sealed('hello', channelKey(aMasterKey(), room)), doesNotOpen));

test('an envelope of another channel is refused (encryption.md 1)', () =>
  assertUndelivered([room], sealed('hello', channelKey(app.masterKey, 'private-encrypted-other')), doesNotOpen));

test('a modified envelope is refused (encryption.md 1)', () => {
  const envelope = JSON.parse(sealed('hello', channelKey(app.masterKey, room)));
  const changed = Buffer.from(envelope.ciphertext, 'base64');
  changed[3] ^= 1;
  return assertUndelivered([room], JSON.stringify({ ...envelope, ciphertext: changed.toString('base64') }), doesNotOpen);
});

test('a malformed envelope gets the same answer as an unreadable one (encryption.md 6)', async () => {
  const sdk = rig.sdk(app);
  const envelopes = [
    sealed('hello', channelKey(aMasterKey(), room)),
    '{"nonce":"AAAA","ciphertext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}',
    `{"nonce":"${'A'.repeat(32)}","ciphertext":"AAAA"}`,
    `{"nonce":"${'*'.repeat(32)}","ciphertext":"${'*'.repeat(32)}"}`,
  ];
  const answers = [];
  for (const envelope of envelopes) answers.push(await refusal(publishPlaintext(sdk, room, 'note', envelope)));
  assert.equal(answers[0].status, 422);
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
});

test('one envelope for several channels is refused (encryption.md 1)', () =>
  assertUndelivered([room, 'private-encrypted-other'], sealed('hello', channelKey(app.masterKey, room)), {
    status: 400,
    code: 'envelope_for_several_channels',
  }));
