import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AFTER_THE_LEASE_SECONDS, LEASE_SECONDS } from './support/cluster.mjs';
import { ClusterRig } from './support/cluster_rig.mjs';
import { eventually } from './support/wait.mjs';

const RETURNING = ['user-0', 'user-1', 'user-2', 'user-3', 'user-4', 'user-5'];
/** These have no way to another node. */
const DOOMED = ['doomed-0', 'doomed-1'];
/** Has one tab on the killed node, and one on another. */
const DIVIDED = 'divided';
const MEMBERS = RETURNING.length + DOOMED.length + 2;

const rig = await ClusterRig.start({ nodes: 3, watched: [...RETURNING, ...DOOMED, DIVIDED], drain_seconds: 1 });

test('a killed node takes those with it who were on it alone, once its lease is over, and nobody else', { timeout: 120_000 }, async (t) => {
  const [killed, other] = rig.cluster.servers;
  const doomed = [...DOOMED, DIVIDED].map((user) => rig.reside(user, killed.url));
  const returning = RETURNING.map((user) => rig.reside(user));
  const safe = [rig.reside(DIVIDED, other.url)];
  await rig.settled(MEMBERS - 1);
  const watcher = rig.reside('watcher', other.url);
  safe.push(watcher);
  await rig.settled(MEMBERS);
  assert.deepEqual(await rig.cluster.sockets(), [5, 4, 2], 'members are on all nodes');
  rig.publish();
  await rig.more(20);

  await killed.kill();
  const start = Date.now();
  const survivors = [...safe, ...returning];
  const namesDoomed = (told) => DOOMED.every((user) => told.includes(user));
  const ms = (LEASE_SECONDS + AFTER_THE_LEASE_SECONDS) * 1_000;
  const detail = () => `: ${JSON.stringify(survivors.map(({ name, gone }) => ({ name, gone })))}`;
  await eventually(() => survivors.every(({ gone }) => namesDoomed(gone)), 'the departures', { ms, detail });
  t.diagnostic(`all were told ${Date.now() - start} ms after the kill, with a lease of ${LEASE_SECONDS} s`);
  // Watchers are told later, as a user may come back.
  await eventually(() => namesDoomed(watcher.offline), 'the users to be offline', { ms: 10_000 });
  await rig.settled(MEMBERS - DOOMED.length, survivors);

  // Another departure of those who stay would be announced by then.
  await rig.more(30);
  rig.checkNews(DOOMED, survivors);
  const lost = returning.filter(({ errors, stays }) => errors.length > 0 || stays.some(({ until }) => until !== Infinity));
  assert.equal(lost.length, 2, 'two of those who return have lost their node');
  doomed.forEach((it) => it.leave());
  await killed.revive();
  await killed.ready();
  await rig.more(10);
  await rig.quiet();
  rig.checkNews(DOOMED, survivors);
  const { total } = rig.checkEvents(t);
  assert.ok(total > 1_000, `${total} deliveries that were due`);
  await rig.leave();
  await rig.checkWebhooks(t);
});
