import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import Pusher from 'pusher';
import { opened } from './support/envelope.mjs';
import { BINARY } from './support/server.mjs';

const EXAMPLE = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
const CHANNELS = ['private-encrypted-a', 'private-encrypted-cache-=@,.;_9'];

const derivations = {
  pusher: (key, channel) => createHash('sha256').update(channel).update(key).digest(),
  dotnet: (key, channel) => createHmac('sha256', key).update(channel).digest(),
  hkdf: (key, channel, app, salt) => Buffer.from(hkdfSync('sha256', key, salt, info(app, channel), 32)),
};

/** The input of HKDF: each part after its length, and the epoch of a channel without revocations. */
function info(app, channel) {
  const number = (value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(value));
    return bytes;
  };
  const parts = ['sealcast shared secret 2', app, channel].map((part) => Buffer.from(part));
  return Buffer.concat([...parts.flatMap((part) => [number(part.length), part]), number(0)]);
}

function vectors(args, input = '') {
  const options = { input, encoding: 'utf8', env: {}, stdio: ['pipe', 'pipe', 'pipe'] };
  return JSON.parse(execFileSync(BINARY, ['keys', 'vector', ...args], options));
}

function checkEncrypted({ encrypted, app, salt }, key, channels) {
  const seen = encrypted.map(({ channel, derivation }) => [channel, derivation]);
  assert.deepEqual(seen, channels.flatMap((channel) => Object.keys(derivations).map((name) => [channel, name])));
  for (const { channel, derivation, shared_secret, nonce, plaintext, ciphertext, data } of encrypted) {
    const secret = derivations[derivation](key, channel, app.id, Buffer.from(salt, 'base64'));
    assert.equal(shared_secret, secret.toString('base64'));
    assert.equal(opened(data, new Uint8Array(secret)), plaintext);
    assert.deepEqual(JSON.parse(data), { nonce, ciphertext });
  }
}

test('the published vectors open with tweetnacl (protocol.md 13)', () => {
  const published = vectors([]);
  checkEncrypted(published, EXAMPLE, ['private-encrypted-my-channel', 'private-encrypted-cache-a']);
  assert.equal(published.master_key.example, `base64:${EXAMPLE.toString('base64')}`);
});

test('vectors for a given key and channels open, too (protocol.md 13)', () => {
  const key = randomBytes(32);
  const salt = randomBytes(32).toString('base64');
  const args = ['--key', '-', '--salt', salt, ...CHANNELS.flatMap((channel) => ['--channel', channel])];
  const own = vectors(args, key.toString('hex'));
  checkEncrypted(own, key, CHANNELS);
  assert.equal(own.salt, salt);
  assert.equal(own.master_key.example, undefined);
  assert.ok(!JSON.stringify(own).includes(key.toString('base64')), 'the key is not repeated');
});

test('the official SDK computes the same signatures (protocol.md 13)', () => {
  const { app, socket_id, channel_auth, user_auth, webhook, encrypted } = vectors(['--app', 'shop']);
  const encryptionMasterKeyBase64 = EXAMPLE.toString('base64');
  const sdk = new Pusher({ appId: app.id, key: app.key, secret: app.secret, encryptionMasterKeyBase64 });
  assert.equal(app.id, 'shop');
  for (const { channel, channel_data, auth } of channel_auth) {
    const answer = sdk.authorizeChannel(socket_id, channel, channel_data && JSON.parse(channel_data));
    const sealed = encrypted.find((vector) => vector.channel === channel && vector.derivation === 'pusher');
    const wanted = { auth, channel_data, shared_secret: sealed?.shared_secret };
    assert.deepEqual({ channel_data: undefined, shared_secret: undefined, ...answer }, wanted);
  }
  const user = sdk.authenticateUser(socket_id, JSON.parse(user_auth.user_data));
  assert.deepEqual(user, { auth: user_auth.auth, user_data: user_auth.user_data });
  const headers = { 'x-pusher-key': app.key, 'x-pusher-signature': webhook.signature, 'content-type': 'application/json' };
  assert.ok(sdk.webhook({ headers, rawBody: webhook.body }).isValid());
});

test('an API request signed as the official SDK signs it (protocol.md 13)', () => {
  const { app, request } = vectors(['--app', 'shop']);
  const [method, path, query] = request.string_to_sign.split('\n');
  assert.deepEqual([method, path], ['POST', '/apps/shop/events']);
  assert.equal(createHash('md5').update(request.body).digest('hex'), request.body_md5);
  assert.ok(query.endsWith(`&body_md5=${request.body_md5}`), query);
  const token = new Pusher.Token(app.key, app.secret);
  assert.equal(token.sign(request.string_to_sign), request.auth_signature);
});
