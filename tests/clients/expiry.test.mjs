import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aSealingApp, token } from './support/app.mjs';
import { authorizer, endpointOf } from './support/authorizer.mjs';
import { serve } from './support/rig.mjs';
import { eventually } from './support/wait.mjs';

const app = aSealingApp({ authorizer: 'jwt', jwt: { leeway_seconds: 0 } });
const rig = serve({ apps: [app] });

const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

/** A pusher-js with a new token for each request, of these lifetimes. */
async function connect(...lives) {
  const asked = [];
  const ask = (query, callback) => {
    const life = lives[Math.min(asked.length, lives.length - 1)];
    asked.push(query.channelName);
    const bearer = token(app, { sub: 'u1', channels: ['private-*'], exp: inSeconds(life) });
    const headers = { Authorization: `Bearer ${bearer}` };
    authorizer(endpointOf(rig.server.url, app), { headers })(query, callback);
  };
  const client = await rig.connect(app, { channelAuthorization: { customHandler: ask } });
  return { client, asked };
}

test('an unmodified client re-authorizes on a sealed channel in time and misses nothing', async () => {
  const { client, asked } = await connect(6, 600);
  const room = await client.subscribed('private-encrypted-room');
  const ends = inSeconds(6);
  const sdk = rig.sdk(app);
  let sent = 0;
  const note = async () => {
    await sdk.post({ path: '/events', body: { name: 'note', channels: ['private-encrypted-room'], data: `${sent}` } });
    sent += 1;
  };
  const isOver = async () => {
    await note();
    return inSeconds(0) > ends;
  };
  await eventually(isOver, 'the end of the first authorization', { ms: 10_000 });
  await note();
  for (let n = 0; n < sent; n += 1) assert.equal(String(await room.next('note')), `${n}`);
  assert.equal(asked.length, 2);
});

test('on other channels the page is notified of the end and can subscribe again', async () => {
  const { client, asked } = await connect(2, 600);
  const room = await client.subscribed('private-room');
  const error = await room.refused();
  assert.deepEqual([error.type, error.status], ['AuthExpired', 401]);
  client.unsubscribe('private-room');
  const again = await client.subscribed('private-room');
  await rig.sdk(app).trigger('private-room', 'note', 'hello');
  assert.equal(await again.next('note'), 'hello');
  assert.equal(asked.length, 2);
});
