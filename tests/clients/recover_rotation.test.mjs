// A recovering pusher-js on encrypted channels, cut while its keys change: no event is lost, doubled or out of order
// without a gap. A long form of the last test: CUTS=100 EVENTS=10000 node --test recover_rotation.test.mjs

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recover } from '../../examples/lib/recover.js';
import { aSealingApp, token } from './support/app.mjs';
import { authorizer, endpointOf } from './support/authorizer.mjs';
import { nodeBuild } from './support/builds.mjs';
import { random } from './support/random.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';
import { eventually } from './support/wait.mjs';

const app = aSealingApp({
  authorizer: 'jwt',
  derivation: 'hkdf',
  channels: [{ pattern: '*', history: { events: 2000, bytes: '4MiB' } }],
});
const rig = serve({ apps: [app] });
const CUTS = Number(process.env.CUTS ?? 6);
const EVENTS = Number(process.env.EVENTS ?? 300);
const SEED = Number(process.env.SEED ?? 1);
// pusher-js comes back after a second.
const LENGTH_MS = CUTS * 2_000;

const now = () => Math.floor(Date.now() / 1000);
const publish = (channel, data) => publishPlaintext(rig.sdk(app), channel, 'note', JSON.stringify(data));

/**
 * A client of this user behind a network that can be cut. `before` and `after` wrap each of its authorizations. Its
 * record of a channel has the events and `gap REASON`, as the page was told of them.
 */
async function recovering(user, { before, after, iat = now() } = {}) {
  const proxy = await rig.proxy();
  const headers = { Authorization: `Bearer ${token(app, { sub: user, iat, channels: ['*'] })}` };
  const customHandler = authorizer(endpointOf(rig.server.url, app), { before, after, headers });
  const client = rig.client(app, { channelAuthorization: { customHandler }, wsPort: proxy.port });
  const told = {};
  recover(client.pusher, nodeBuild, { onGap: (channel, reason) => told[channel].push(`gap ${reason}`) });
  await client.connected();
  const read = async (channel) => {
    told[channel] = [];
    const subscription = await client.subscribed(channel);
    subscription.channel.bind('note', (data) => told[channel].push(data));
    return subscription;
  };
  return { client, proxy, told, read };
}

const toldOf = (told, expected) => eventually(() => told.length >= expected.length, 'the events', { detail: () => `: ${told}` });

/** Waits for the gate of one step of an authorization, when `closed`. */
function gate() {
  const gate = { closed: false, waiting: 0 };
  gate.pass = async () => {
    if (!gate.closed) return;
    gate.waiting += 1;
    await new Promise((resolve) => (gate.open = resolve));
  };
  return gate;
}

for (const [step, name] of [
  ['before', 'the request for the next secret comes from a connection that is lost'],
  ['after', 'the next secret arrives after the connection is lost'],
]) {
  test(`an event behind a rotation is told once if ${name} (docs/history.md)`, async () => {
    const channel = `private-encrypted-${step}`;
    const authorization = gate();
    const { client, proxy, told, read } = await recovering('ada', { [step]: authorization.pass });
    await read(channel);
    await publish(channel, 'first');
    await toldOf(told[channel], ['first']);
    await rig.server.admin.rotate(app);
    authorization.closed = true;
    // The event that shows the client its turn.
    const sent = ['first'];
    await eventually(async () => {
      if (authorization.waiting === 0) await publish(channel, sent[sent.push(sent.length) - 1]);
      return authorization.waiting > 0;
    }, 'the request for the next secret');
    const reconnecting = client.reaches('connecting');
    proxy.down();
    await reconnecting;
    authorization.closed = false;
    authorization.open();
    await publish(channel, sent[sent.push('missed') - 1]);
    proxy.up();
    await toldOf(told[channel], sent);
    await publish(channel, sent[sent.push('live') - 1]);
    await toldOf(told[channel], sent);
    assert.deepEqual(told[channel], sent);
    await rig.server.admin.moved(app);
  });
}

test('an event whose secret is refused is a gap, and the client reads on (docs/history.md)', async () => {
  const channel = 'private-encrypted-refused';
  let refuses = false;
  const before = () => {
    if (refuses) throw new Error('refused');
  };
  const one = await recovering('ada', { before });
  const told = await one.read(channel).then(() => one.told[channel]);
  await publish(channel, 'first');
  await toldOf(told, ['first']);
  await rig.server.admin.rotate(app);
  refuses = true;
  const sent = ['first'];
  await eventually(async () => {
    if (told.at(-1) !== 'gap unopenable') await publish(channel, sent[sent.push(`event ${sent.length}`) - 1]);
    return told.includes('gap unopenable');
  }, 'the gap');
  refuses = false;
  await publish(channel, sent[sent.push('live') - 1]);
  await eventually(() => told.at(-1) === 'live', 'the live event', { ms: 15_000 });
  const gap = told.indexOf('gap unopenable');
  assert.deepEqual(told.slice(0, gap), sent.slice(0, gap), 'all before the gap');
  const events = told.filter((text) => text !== 'gap unopenable');
  assert.deepEqual(events, sent.filter((text) => events.includes(text)), 'in order, and once');
  // Behind the gap it resumes as ever.
  const reconnecting = one.client.reaches('connecting');
  one.proxy.down();
  await reconnecting;
  await publish(channel, 'missed');
  one.proxy.up();
  await eventually(() => told.at(-1) === 'missed', 'the missed event', { ms: 15_000 });
  await rig.server.admin.moved(app);
});

/** The times of all cuts of these clients, in order. */
function schedule(clients, rng) {
  const cuts = clients.flatMap(({ proxy }) =>
    Array.from({ length: CUTS }, (_, n) => ({ at: ((n + 0.2 + rng() * 0.6) / CUTS) * LENGTH_MS, proxy })));
  return cuts.sort((one, other) => one.at - other.at);
}

function cut(proxy, rng) {
  if (rng() < 0.5) proxy.cutWithin(rng());
  else proxy.cut();
}

test('cuts at any byte during rotations and a revocation lose nothing for those who stay (docs/history.md)', { timeout: 3 * LENGTH_MS + 60_000 }, async () => {
  const rooms = Array.from({ length: 8 }, (_, n) => `private-encrypted-cut-${n}`);
  const staying = [await recovering('ada'), await recovering('ida')];
  const bob = await recovering('bob');
  const [all, one] = staying;
  for (const room of rooms) await all.read(room);
  await one.read(rooms[0]);
  const bobs = await bob.read(rooms[0]);
  const refusals = [];
  // From the server, or from the authorization of a later connection.
  bobs.channel.bind('pusher:subscription_error', ({ status, error }) => refusals.push(`${status} ${error}`));

  const rng = random(SEED);
  const cuts = schedule([...staying, bob], rng);
  const rotations = [0.2, 0.6];
  const sent = Object.fromEntries(rooms.map((room) => [room, []]));
  let lastOfBob;
  const begun = Date.now();
  for (let n = 0; n < EVENTS; n += 1) {
    const room = rooms[n % rooms.length];
    await publish(room, `event ${n}`);
    sent[room].push(`event ${n}`);
    while (cuts[0]?.at <= Date.now() - begun) cut(cuts.shift().proxy, rng);
    if (n / EVENTS >= rotations[0]) {
      await rig.server.admin.rotate(app);
      rotations.shift();
    }
    if (n / EVENTS >= 0.4 && lastOfBob === undefined) {
      await rig.sdk(app).post({ path: `/channels/${rooms[0]}/revoke`, body: { user_id: 'bob' } });
      lastOfBob = sent[rooms[0]].length;
    }
    const ahead = begun + ((n + 1) * LENGTH_MS) / EVENTS - Date.now();
    if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead));
  }
  for (const { client, told } of staying) {
    for (const [room, texts] of Object.entries(told)) {
      await eventually(() => texts.length >= sent[room].length, 'the last events', { ms: 15_000 }).catch(() => {});
      assert.deepEqual(texts, sent[room], `${room}: ${client.state}`);
    }
  }
  const [before, after] = [sent[rooms[0]].slice(0, lastOfBob), bob.told[rooms[0]]];
  assert.deepEqual(after, before.slice(0, after.length), 'in order, and nothing from after the revocation');
  assert.ok(after.length > 0, 'bob was a reader');
  await eventually(() => refusals.some((text) => text.includes('403')), 'a refusal', { ms: 15_000, detail: () => `: ${refusals}` });
});
