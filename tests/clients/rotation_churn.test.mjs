import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMasterKey, aSealingApp } from './support/app.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';
import { EVENT } from './support/swarm.mjs';
import { Traffic } from './support/traffic.mjs';
import { eventually } from './support/wait.mjs';

// Two turns a second, so that the rotation takes a while.
const rotation = { turns_per_second: 2, hold_ms: 5_000 };
const anApp = (more = {}) => aSealingApp({ authorizer: 'open', rotation: { ...rotation, ...more } });
const apps = { resubscribing: anApp(), reconnecting: anApp(), joining: anApp(), revoked: anApp({ turns_per_second: 1 }) };
const rig = serve({ apps: Object.values(apps) });
const room = 'private-encrypted-room';

function traffic(app) {
  const traffic = new Traffic({ url: rig.server.url, app, channels: [room], perSecond: 20 });
  traffic.start();
  return traffic;
}

/** Reads until message `last` and expects all from the first on, without a gap. */
async function readsOn(subscription, last) {
  const { n: first } = await subscription.next(EVENT);
  for (let n = first + 1; n <= last; n += 1) assert.equal((await subscription.next(EVENT)).n, n);
  return first;
}

/** Each client reads all messages from now on. */
async function allRead(traffic, subscriptions) {
  await traffic.stop();
  for (const subscription of subscriptions) await readsOn(subscription, traffic.sent - 1);
}

async function isDuring(app) {
  const { rotation } = await rig.server.admin.keys(app);
  return rotation.in_progress && rotation.remaining > 0;
}

test('unsubscribing and subscribing again during a rotation (encryption.md 4)', async () => {
  const app = apps.resubscribing;
  const clients = await Promise.all(Array.from({ length: 6 }, () => rig.connectWithEndpoint(app)));
  for (const client of clients) await client.subscribed(room);
  const running = traffic(app);
  await rig.server.admin.rotate(app, { key: aMasterKey() });
  const again = [];
  assert.ok(await isDuring(app), 'that was not during the rotation');
  for (const client of clients) {
    client.unsubscribe(room);
    // pusher-js forgets the channel, and authorizes for it anew.
    const subscription = await client.subscribed(room);
    const { n } = await subscription.next(EVENT);
    again.push({ subscription, n });
  }
  await rig.server.admin.moved(app);
  await running.stop();
  for (const { subscription, n } of again) {
    for (let next = n + 1; next < running.sent; next += 1) assert.equal((await subscription.next(EVENT)).n, next);
  }
  for (const client of clients) assert.equal(client.state, 'connected');
});

test('a connection lost during a rotation: the client returns and reads on (encryption.md 4)', async () => {
  const app = apps.reconnecting;
  const proxy = await rig.proxy();
  const steady = await Promise.all(Array.from({ length: 4 }, () => rig.connectWithEndpoint(app)));
  const steadyRooms = await Promise.all(steady.map((client) => client.subscribed(room)));
  const cut = await Promise.all(Array.from({ length: 2 }, () => rig.connect(app, { ...rig.endpoint(app), wsPort: proxy.port })));
  const cutRooms = await Promise.all(cut.map((client) => client.subscribed(room)));
  const running = traffic(app);
  for (const subscription of [...steadyRooms, ...cutRooms]) assert.equal((await subscription.next(EVENT)).n, 0);
  await rig.server.admin.rotate(app, { key: aMasterKey() });
  assert.ok(await isDuring(app), 'that was not during the rotation');
  proxy.cut();
  for (const client of cut) {
    await client.reaches('connecting');
    await client.reaches('connected');
  }
  for (const subscription of cutRooms) await subscription.succeeded();
  const back = running.sent;
  await rig.server.admin.moved(app);
  await running.stop();
  for (const subscription of steadyRooms) assert.equal(await readsOn(subscription, running.sent - 1), 1);
  for (const subscription of cutRooms) {
    // Earlier messages, a gap, and then all later ones.
    let n = -1;
    while (n < back) ({ n } = await subscription.next(EVENT));
    while (n < running.sent - 1) {
      n += 1;
      assert.equal((await subscription.next(EVENT)).n, n);
    }
  }
});

test('newcomers during a rotation read everything from their first message on, at the first try (encryption.md 4)', async () => {
  const app = apps.joining;
  const olds = await Promise.all(Array.from({ length: 4 }, () => rig.connectWithEndpoint(app)));
  const subscriptions = await Promise.all(olds.map((client) => client.subscribed(room)));
  const running = traffic(app);
  await rig.server.admin.rotate(app, { key: aMasterKey() });
  assert.ok(await isDuring(app), 'that was not during the rotation');
  for (let n = 0; n < 3; n += 1) {
    const client = await rig.connectWithEndpoint(app);
    subscriptions.push(await client.subscribed(room));
  }
  const { rotation } = await rig.server.admin.moved(app);
  assert.equal(rotation.nudges, olds.length, 'newcomers need no turn');
  await allRead(running, subscriptions);
});

test('clients with a revoked key reconnect at once, the others stay (encryption.md 4)', async () => {
  const app = apps.revoked;
  const clients = await Promise.all(Array.from({ length: 5 }, () => rig.connectWithEndpoint(app)));
  const subscriptions = await Promise.all(clients.map((client) => client.subscribed(room)));
  const { admin } = rig.server;
  const [{ id }] = (await admin.keys(app)).keys;
  await admin.rotate(app, { key: aMasterKey() });
  const before = clients.map(({ socketId }) => socketId);
  await admin.revoke(app, id);
  let report;
  const allHaveTheNew = async () => {
    report = await admin.keys(app);
    return report.keys.find(({ state }) => state === 'active').subscriptions === clients.length;
  };
  await eventually(allHaveTheNew, 'everybody to be back', { ms: 15_000, detail: () => `: ${JSON.stringify(report)}` });
  assert.equal(report.keys[0].state, 'retired');
  const back = clients.filter(({ socketId }, i) => socketId !== before[i]).length;
  assert.ok(back > 0 && back === report.rotation.closed, `${back} came back, ${report.rotation.closed} were told to go`);
  await publishPlaintext(rig.sdk(app), room, 'end', '1');
  for (const subscription of subscriptions) assert.equal(await subscription.next('end'), 1);
});
