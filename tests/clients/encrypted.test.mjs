import assert from 'node:assert/strict';
import { test } from 'node:test';
import nacl from 'tweetnacl';
import { aSealingApp, channelKey } from './support/app.mjs';
import { encryptingBuilds } from './support/builds.mjs';
import { opened, payloads } from './support/envelope.mjs';
import { publishPlaintext, refusal, serve } from './support/rig.mjs';

const app = aSealingApp({ authorizer: 'open' });
const rig = serve({ apps: [app] });

for (const [name, build] of Object.entries(encryptingBuilds)) {
  test(`plaintext is sealed by the server and opened by ${name} (protocol.md 9)`, async () => {
    const client = await rig.connectWithEndpoint(app, { build });
    const room = await client.subscribed('private-encrypted-room');
    await publishPlaintext(rig.sdk(app), 'private-encrypted-room', 'note', '{"text":"hello"}');
    assert.deepEqual(await room.next('note'), { text: 'hello' });
  });
}

for (const { name, plaintext, read } of payloads) {
  test(`${name} survives sealing (protocol.md 9)`, async () => {
    const [client, raw] = [await rig.connectWithEndpoint(app), await rig.raw(app)];
    const room = await client.subscribed('private-encrypted-room');
    await raw.subscribed('private-encrypted-room');
    await publishPlaintext(rig.sdk(app), 'private-encrypted-room', 'note', plaintext);
    const { data } = await raw.next('note');
    assert.equal(opened(data, channelKey(app.masterKey, 'private-encrypted-room')), plaintext);
    assert.deepEqual(await room.next('note'), read);
  });
}

test('on the wire there are nonce and ciphertext and no plaintext (protocol.md 9)', async () => {
  const raw = await rig.raw(app);
  await raw.subscribed('private-encrypted-room');
  await publishPlaintext(rig.sdk(app), 'private-encrypted-room', 'note', '"the plaintext"');
  const frame = await raw.next('note');
  assert.deepEqual(Object.keys(frame).sort(), ['channel', 'data', 'event']);
  assert.equal(typeof frame.data, 'string');
  const envelope = JSON.parse(frame.data);
  assert.deepEqual(Object.keys(envelope).sort(), ['ciphertext', 'nonce']);
  const standardBase64 = /^[A-Za-z0-9+/]+={0,2}$/;
  assert.match(envelope.nonce, standardBase64);
  assert.match(envelope.ciphertext, standardBase64);
  assert.equal(Buffer.from(envelope.nonce, 'base64').length, nacl.secretbox.nonceLength);
  const plaintextLength = Buffer.from(envelope.ciphertext, 'base64').length - nacl.secretbox.overheadLength;
  assert.equal(plaintextLength, '"the plaintext"'.length);
});

test('a sealed frame opens with the secret of its channel only (protocol.md 9)', async () => {
  const raw = await rig.raw(app);
  await raw.subscribed('private-encrypted-room');
  await publishPlaintext(rig.sdk(app), 'private-encrypted-room', 'note', 'hello');
  const { data } = await raw.next('note');
  assert.equal(opened(data, channelKey(app.masterKey, 'private-encrypted-room')), 'hello');
  assert.equal(opened(data, channelKey(app.masterKey, 'private-encrypted-roo')), null);
  assert.equal(opened(data, channelKey(app.masterKey, 'private-encrypted-room2')), null);
});

test('the same plaintext never looks the same twice (protocol.md 9)', async () => {
  const raw = await rig.raw(app);
  await raw.subscribed('private-encrypted-room');
  const sdk = rig.sdk(app);
  for (let n = 0; n < 2; n += 1) await publishPlaintext(sdk, 'private-encrypted-room', 'note', 'hello');
  const [first, second] = [await raw.next('note'), await raw.next('note')].map(({ data }) => JSON.parse(data));
  assert.notEqual(first.nonce, second.nonce);
  assert.notEqual(first.ciphertext, second.ciphertext);
});

test('the endpoint returns the same secret as the official SDK (protocol.md 9)', async () => {
  const { socketId } = await rig.raw(app);
  const fields = { socket_id: socketId, channel_name: 'private-encrypted-room' };
  const { status, body } = await rig.postForm(`/apps/${app.id}/auth/channel`, fields);
  assert.equal(status, 200);
  const sdk = rig.sdk(app, { encryptionMasterKeyBase64: app.masterKey });
  assert.deepEqual(body, sdk.authorizeChannel(socketId, 'private-encrypted-room'));
});

test("clients authorized by the application's backend read events sealed by the server (protocol.md 9)", async () => {
  const backend = await rig.backend(app, {}, { encryptionMasterKeyBase64: app.masterKey });
  const client = await rig.connect(app, backend.options());
  const room = await client.subscribed('private-encrypted-room');
  await publishPlaintext(rig.sdk(app), 'private-encrypted-room', 'note', '"hello"');
  assert.equal(await room.next('note'), 'hello');
  assert.equal(backend.requests.length, 1, 'opened at the first try');
});

test('one plaintext for several encrypted channels is sealed for each of them (protocol.md 9)', async () => {
  const channels = ['private-encrypted-a', 'private-encrypted-b', 'private-encrypted-c'];
  const [client, raw] = [await rig.connectWithEndpoint(app), await rig.raw(app)];
  for (const channel of channels) await raw.subscribed(channel);
  const rooms = await Promise.all(channels.map((channel) => client.subscribed(channel)));
  await publishPlaintext(rig.sdk(app), channels, 'note', '{"n":1}');
  for (const room of rooms) assert.deepEqual(await room.next('note'), { n: 1 });
  for (const _ of channels) {
    const { channel, data } = await raw.next('note');
    assert.equal(opened(data, channelKey(app.masterKey, channel)), '{"n":1}');
  }
});

test('plaintext for encrypted and other channels at once is refused (encryption.md 1)', async () => {
  const client = await rig.connectWithEndpoint(app);
  const [news, room] = [await client.subscribed('news'), await client.subscribed('private-encrypted-room')];
  const sdk = rig.sdk(app);
  const both = ['news', 'private-encrypted-room'];
  const { status, code } = await refusal(publishPlaintext(sdk, both, 'note', 'hello'));
  assert.deepEqual({ status, code }, { status: 400, code: 'mixed_channels' });
  for (const channel of both) await publishPlaintext(sdk, channel, 'end', '1');
  await Promise.all([news.next('end'), room.next('end')]);
  assert.deepEqual([news.seen, room.seen], [['end'], ['end']], 'nothing was delivered');
});

test("plaintext for mixed channels needs the publisher's consent (encryption.md 1)", async () => {
  const client = await rig.connectWithEndpoint(app);
  const [news, room] = [await client.subscribed('news'), await client.subscribed('private-encrypted-room')];
  const raw = await rig.raw(app);
  await raw.subscribed('private-encrypted-room');
  const both = ['news', 'private-encrypted-room'];
  await publishPlaintext(rig.sdk(app), both, 'note', 'hello', { allow_mixed: true });
  assert.equal(await news.next('note'), 'hello');
  assert.equal(await room.next('note'), 'hello');
  assert.equal(opened((await raw.next('note')).data, channelKey(app.masterKey, 'private-encrypted-room')), 'hello');
});

test('events of a batch for encrypted channels are sealed (encryption.md 1)', async () => {
  const client = await rig.connectWithEndpoint(app);
  const [news, room] = [await client.subscribed('news'), await client.subscribed('private-encrypted-room')];
  const raw = await rig.raw(app);
  await raw.subscribed('private-encrypted-room');
  const batch = ['news', 'private-encrypted-room'].map((channel) => ({ channel, name: 'note', data: '{"n":1}' }));
  await rig.sdk(app).post({ path: '/batch_events', body: { batch } });
  assert.deepEqual(await news.next('note'), { n: 1 });
  assert.deepEqual(await room.next('note'), { n: 1 });
  assert.equal(opened((await raw.next('note')).data, channelKey(app.masterKey, 'private-encrypted-room')), '{"n":1}');
});

test('the size limit applies to the plaintext (encryption.md 1)', async () => {
  const client = await rig.connectWithEndpoint(app);
  const room = await client.subscribed('private-encrypted-room');
  const sdk = rig.sdk(app);
  const full = 'x'.repeat(10_240);
  await publishPlaintext(sdk, 'private-encrypted-room', 'note', full);
  assert.equal(await room.next('note'), full);
  const { status } = await refusal(publishPlaintext(sdk, 'private-encrypted-room', 'note', `${full}x`));
  assert.equal(status, 413);
});

for (const lookAlike of ['Private-Encrypted-room', 'private_encrypted-room', 'private-encrypted']) {
  test(`${lookAlike} is refused with the right spelling (encryption.md 1)`, async () => {
    const { status, error } = await refusal(publishPlaintext(rig.sdk(app), lookAlike, 'note', 'secret'));
    assert.equal(status, 400);
    assert.ok(error.includes('private-encrypted-'), error);
  });
}
