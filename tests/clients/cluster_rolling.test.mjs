import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterRig } from './support/cluster_rig.mjs';
import { eventually } from './support/wait.mjs';

const USERS = ['user-0', 'user-1', 'user-2', 'user-3', 'user-4', 'user-5'];
const LEAVER = 'leaver';
const MEMBERS = USERS.length + 2;

/** A node that drains refuses by the first, and closes its sockets with the second. */
const RESTART_CODES = [4100, 4200];

/** Departures from a draining node linger for ten seconds. */
const AFTER_LINGERING_MS = 11_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const rig = await ClusterRig.start({ nodes: 3, watched: [...USERS, LEAVER], drain_seconds: 2 });

test('a rolling restart of three nodes under traffic is no departure, and loses and repeats nothing', { timeout: 120_000 }, async (t) => {
  const leaver = rig.reside(LEAVER);
  // The first has two tabs.
  const staying = [...USERS, USERS[0]].map((user) => rig.reside(user));
  await rig.settled(MEMBERS - 1);
  staying.push(rig.reside('watcher'));
  await rig.settled(MEMBERS);
  assert.deepEqual(await rig.cluster.sockets(), [3, 3, 3], 'members are on different nodes');
  rig.publish();
  await rig.more(20);
  for (const server of rig.cluster.servers) {
    await server.restart();
    await server.ready();
    await rig.settled(MEMBERS);
    await rig.more(10);
  }
  await sleep(AFTER_LINGERING_MS);
  rig.checkNews([]);
  for (const { name, errors } of rig.residents) {
    assert.ok(errors.includes(4200), `${name} has lost a node`);
    assert.deepEqual(errors.filter((code) => !RESTART_CODES.includes(code)), [], `errors of ${name}`);
  }

  // One who really leaves is announced to everybody, once.
  leaver.leave();
  const isTold = ({ name, gone, offline }) => gone.length > 0 && (name !== 'watcher' || offline.length > 0);
  await eventually(() => staying.every(isTold), 'the departure of one who leaves', { ms: 10_000 });
  await rig.more(10);
  await rig.quiet();
  rig.checkNews([LEAVER], staying);
  const { total, failures } = rig.checkEvents(t);
  assert.ok(total > 2_000, `${total} deliveries that were due`);
  assert.deepEqual(failures, [], 'no trigger was refused');
  await rig.leave();
  await rig.checkWebhooks(t);
});
