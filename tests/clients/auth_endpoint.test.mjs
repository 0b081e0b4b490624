import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp, token } from './support/app.mjs';
import { serve } from './support/rig.mjs';

const open = anApp({ authorizer: 'open' });
const jwt = anApp({ authorizer: 'jwt' });
const closed = anApp();
const rig = serve({ apps: [open, jwt, closed] });

const bearer = (claims) => ({ Authorization: `Bearer ${token(jwt, claims)}` });

test('the open endpoint lets a client into a private channel', async () => {
  const client = await rig.connectWithEndpoint(open);
  const room = await client.subscribed('private-room');
  await rig.sdk(open).trigger('private-room', 'note', 'hello');
  assert.equal(await room.next('note'), 'hello');
});

test('the endpoint signs what the official SDK signs (protocol.md 13)', async () => {
  const { socketId } = await rig.raw(open);
  const { status, body } = await rig.postForm(`/apps/${open.id}/auth/channel`, {
    socket_id: socketId,
    channel_name: 'private-room',
  });
  assert.equal(status, 200);
  assert.deepEqual(body, rig.sdk(open).authorizeChannel(socketId, 'private-room'));
});

for (const folder of ['/pusher', '/jetsocket', '/broadcasting']) {
  const [channel, user] = [`${folder}/auth`, `${folder}/user-auth`];

  test(`${channel} is the same endpoint when the app's key is given (protocol.md 10)`, async () => {
    const path = { channel: `${channel}?app_key=${open.key}`, user };
    const client = await rig.connectWithEndpoint(open, { path });
    await client.subscribed('private-room');
  });

  test(`${user} takes the app's key from the body as well (protocol.md 10)`, async () => {
    const params = { app_key: open.key, user_id: 'user-1' };
    const client = await rig.connectWithEndpoint(open, { path: { channel, user }, params });
    assert.equal((await client.signedIn()).id, 'user-1');
  });
}

test("the application's handler may send JSON (protocol.md 10)", async () => {
  const customHandler = async ({ socketId, channelName }, callback) => {
    const body = JSON.stringify({ socket_id: socketId, channel_name: channelName });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(rig.href(`/apps/${open.id}/auth/channel`), { method: 'POST', headers, body });
    callback(null, await response.json());
  };
  const client = await rig.connect(open, { channelAuthorization: { customHandler } });
  await client.subscribed('private-room');
});

test('the open endpoint takes the presence member from the request', async () => {
  const params = { user_id: 'user-1', user_info: '{"name":"One"}' };
  const client = await rig.connectWithEndpoint(open, { params });
  const room = await client.subscribed('presence-room');
  assert.deepEqual(room.members.me, { id: 'user-1', info: { name: 'One' } });
});

test('without a user id a presence member is a separate guest', async () => {
  const client = await rig.connectWithEndpoint(open);
  const room = await client.subscribed('presence-room');
  assert.equal(room.members.me.id, `guest-${client.socketId}`);
});

test('a token allows the channels it names, under the id it names', async () => {
  const claims = { sub: 'user-7', channels: ['private-team-*', 'presence-team-*'], user_info: { name: 'Seven' } };
  const client = await rig.connectWithEndpoint(jwt, { headers: bearer(claims) });
  await client.subscribed('private-team-a');
  const room = await client.subscribed('presence-team-a');
  assert.deepEqual(room.members.me, { id: 'user-7', info: { name: 'Seven' } });
  assert.equal((await client.signedIn()).id, 'user-7');
});

test('a token overrides the user named in the request', async () => {
  const headers = bearer({ sub: 'user-7', channels: ['presence-*'] });
  const client = await rig.connectWithEndpoint(jwt, { headers, params: { user_id: 'somebody-else' } });
  const room = await client.subscribed('presence-room');
  assert.equal(room.members.me.id, 'user-7');
});

const channels = ['private-team-*'];
const refusals = [
  ['without a token', {}, 401],
  ['with a token that is none', { Authorization: 'Bearer nonsense' }, 401],
  ['with an expired token', bearer({ sub: 'user-7', channels, exp: 1_000_000_000 }), 401],
  ['with a token signed by another app', { Authorization: `Bearer ${token(open, { sub: 'user-7', channels })}` }, 401],
  ['for a channel that the token does not name', bearer({ sub: 'user-7', channels: ['private-other'] }), 403],
  ['with a token that names no channels', bearer({ sub: 'user-7' }), 403],
];

for (const [name, headers, status] of refusals) {
  test(`${name} the endpoint returns ${status} and pusher-js reports it to the application (protocol.md 10)`, async () => {
    const client = await rig.connectWithEndpoint(jwt, { headers });
    const refusal = await client.refused('private-team-a');
    assert.equal(refusal.type, 'AuthError');
    assert.equal(refusal.status, status);
  });
}

test('the endpoint is closed unless the app opens it', async () => {
  const client = await rig.connectWithEndpoint(closed);
  assert.equal((await client.refused('private-room')).status, 403);
});

test('a refusal of the endpoint is JSON with a sentence and a code', async () => {
  const { status, body } = await rig.postForm(`/apps/${jwt.id}/auth/channel`, {
    socket_id: '1.1',
    channel_name: 'private-team-a',
  });
  assert.equal(status, 401);
  assert.match(body.error, /\w+ \w+/);
  assert.match(body.code, /^[a-z_]+$/);
});

const sockets = {
  'that was made up': async () => '1.1',
  'that differs from a live one in its last digit': async () => {
    const { socketId } = await rig.raw(open);
    return socketId.slice(0, -1) + ((Number(socketId.at(-1)) + 1) % 10);
  },
  'of another app': async () => (await rig.raw(jwt)).socketId,
  'that has gone': async () => {
    const gone = await rig.raw(open);
    await gone.disconnect();
    await rig.server.settled();
    return gone.socketId;
  },
};

for (const [name, socketId] of Object.entries(sockets)) {
  test(`no signature for a connection ${name} (encryption.md 5)`, async () => {
    const fields = { socket_id: await socketId(), channel_name: 'private-room', user_id: 'user-1' };
    for (const kind of ['channel', 'user']) {
      const { status, body } = await rig.postForm(`/apps/${open.id}/auth/${kind}`, fields);
      assert.deepEqual({ status, code: body.code, auth: body.auth }, { status: 403, code: 'unknown_socket', auth: undefined });
    }
  });
}
