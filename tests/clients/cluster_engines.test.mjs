import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aMasterKey, anApp } from './support/app.mjs';
import { ClusterRig } from './support/cluster_rig.mjs';
import { engine } from './support/engines.mjs';
import { Redis } from './support/redis.mjs';
import { Server } from './support/server.mjs';
import { eventually } from './support/wait.mjs';

const MISSING = 'not installed: tests/engines/requirements.txt';
const valkey = engine('valkey');
const redis6 = engine('redis6');

const USERS = ['user-0', 'user-1', 'user-2', 'user-3'];
const MEMBERS = USERS.length + 1;

test('a node stays red on Redis 6, and says so', { skip: !redis6 && MISSING }, async (t) => {
  const redis = await Redis.start(redis6);
  t.diagnostic(`Redis ${await redis.about('redis_version')}`);
  const server = await Server.start([anApp()], { cluster: { url: redis.url, key: aMasterKey() } });
  try {
    const reasons = await eventually(() => reasonsOf(server), 'the node to have asked Redis');
    assert.deepEqual(reasons, [{ code: 'cluster_away', reason: 'Redis 6 is too old: install Redis 7 or Valkey' }]);
  } finally {
    await server.stop();
    await redis.stop();
  }
});

/** Why the node is not ready, once it has talked with its engine. */
async function reasonsOf(server) {
  const response = await fetch(new URL('/ready', server.opsUrl));
  const { reasons = [] } = await response.json();
  return response.status === 503 && reasons.some(({ code }) => code === 'cluster_away') && reasons;
}

test('two nodes on Valkey are restarted in turn and outlive a flush under traffic', { timeout: 120_000, skip: !valkey && MISSING }, async (t) => {
  const rig = await ClusterRig.start({ engine: valkey, nodes: 2, watched: USERS, drain_seconds: 1 });
  const { redis, servers } = rig.cluster;
  t.diagnostic(`Valkey ${await redis.about('valkey_version')}, which calls itself Redis ${await redis.about('redis_version')}`);
  USERS.forEach((user) => rig.reside(user));
  await rig.settled(MEMBERS - 1);
  rig.reside('watcher');
  await rig.settled(MEMBERS);
  assert.deepEqual((await rig.cluster.sockets()).toSorted(), [2, 3], 'members are on both nodes');
  rig.publish();
  for (const server of servers) {
    await server.restart();
    await server.ready();
    await rig.settled(MEMBERS);
    await rig.more(5);
  }
  await redis.flush();
  await rig.more(5);
  const isWhole = async () => (await rig.members()).length === MEMBERS;
  await eventually(isWhole, 'the members to be in Redis again', { ms: 15_000 });
  await rig.more(30);
  await rig.quiet();
  rig.checkNews([]);
  const { total } = rig.checkEvents(t);
  assert.ok(total > 300, `${total} deliveries that were due`);
  await rig.leave();
});
