import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMasterKey, aSealingApp, token } from './support/app.mjs';
import { endpointOf } from './support/authorizer.mjs';
import { FakeJava } from './support/java.mjs';
import { serve } from './support/rig.mjs';
import { EVENT, Swarm } from './support/swarm.mjs';
import { Traffic } from './support/traffic.mjs';
import { eventually } from './support/wait.mjs';

const anApp = (rotation = {}) => aSealingApp({ authorizer: 'jwt', rotation });
const apps = { refused: anApp(), lost: anApp(), well: anApp(), late: aSealingApp({ authorizer: 'open' }) };
const rig = serve({ apps: Object.values(apps) });
const channel = 'private-encrypted-room';
/** Events after the rotation has begun, at twenty a second. */
const EVENTS = 159;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function askOwnEndpoint(app, { socketId, channel: name }, headers) {
  const body = new URLSearchParams({ socket_id: socketId, channel_name: name });
  const response = await fetch(endpointOf(rig.server.url, app), { method: 'POST', headers, body });
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}

/** A fake Java client under traffic; `fails` decides the fate of its first auth request after joining. */
async function rotated(app, fails) {
  const authorization = { authorization: `Bearer ${token(app, { sub: 'u1', channels: ['*'] })}` };
  let questions = 0;
  const ask = async (asked) => {
    questions += 1;
    return questions === 2 && fails ? fails(asked) : askOwnEndpoint(app, asked, authorization);
  };
  const java = new FakeJava({ url: rig.server.url, app, channel, event: EVENT, ask });
  rig.leaves(() => java.leave());
  await eventually(() => java.joined === 1, 'the client to join', { ms: 30_000 });
  const traffic = new Traffic({ url: rig.server.url, app, channels: [channel], perSecond: 20 });
  traffic.start();
  await eventually(() => java.read.length > 0, 'a first event', { ms: 30_000 });
  const before = { read: java.read.length, sent: traffic.sent };
  await rig.server.admin.rotate(app, { key: aMasterKey() });
  await eventually(() => traffic.sent >= before.sent + EVENTS, 'all events', { ms: 90_000 });
  await traffic.stop();
  await eventually(() => JSON.parse(java.read.at(-1)).n === traffic.sent - 1, 'the last event');
  const opened = java.read.length - before.read;
  return { java, opened, sent: traffic.sent - before.sent, missing: traffic.sent - java.read.length };
}

function comesBack({ java, opened, sent, missing }, t) {
  t.diagnostic(`${opened} of ${sent} events that followed were opened`);
  assert.deepEqual({ closes: java.closes, joined: java.joined }, { closes: [4200], joined: 2 });
  assert.deepEqual({ thrown: java.thrown, failed: java.failed, asked: java.asked }, { thrown: 0, failed: 0, asked: 1 });
  const numbers = java.read.map((text) => JSON.parse(text).n);
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  assert.ok(missing < sent / 2, `what it missed while it was away: ${missing}`);
}

test('f31_java: a client refused by our endpoint is closed with 4200 and returns with the next key', async (t) => {
  comesBack(await rotated(apps.refused, (asked) => askOwnEndpoint(apps.refused, asked, {})), t);
});

test('f31_java: a client with a lost auth request is closed with 4200 and returns with the next key', async (t) => {
  const lost = () => {
    throw new Error('ECONNREFUSED');
  };
  comesBack(await rotated(apps.lost, lost), t);
});

test('f31_java: a client with an answer moves like others', async () => {
  const { java, missing } = await rotated(apps.well);
  assert.deepEqual({ missing, closes: java.closes, asked: java.asked }, { missing: 0, closes: [], asked: 1 });
  assert.deepEqual({ thrown: java.thrown, failed: java.failed }, { thrown: 0, failed: 0 });
});

test('f31_late: a pusher-js slower than hold_ms still moves and loses nothing', async () => {
  const app = apps.late;
  const { url, admin } = rig.server;
  const state = { joined: false };
  // Both are longer than hold_ms; the second is within the hold learned from the first.
  const delays = [3_500, 2_200];
  const before = () => (state.joined ? sleep(delays.shift()) : undefined);
  const swarm = new Swarm(0, 1, { url, app, channels: [channel], before });
  rig.leaves(() => swarm.leave());
  await swarm.join();
  state.joined = true;
  const traffic = new Traffic({ url, app, channels: [channel], perSecond: 20 });
  traffic.start();
  await admin.rotate(app, { key: aMasterKey() });
  // Late, a second, and in time; the second try used to come ten seconds later, and be as late.
  const { rotation } = await admin.moved(app);
  await traffic.stop();
  assert.equal(await swarm.drained(traffic.sent), 0);
  const { disorder, anomalies, states, asked } = swarm.report();
  assert.deepEqual({ disorder, anomalies, states, asked: asked.length }, { disorder: 0, anomalies: [], states: [], asked: 2 });
  assert.deepEqual({ nudges: rotation.nudges, reverted: rotation.reverted }, { nudges: 2, reverted: 1 });
  assert.equal(swarm.others.some(({ event }) => event === EVENT), false);
});
