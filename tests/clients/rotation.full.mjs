// Rotates master keys while many pusher-js clients are served, and prints its measurements:
//
//   cargo build --release && npm ci --prefix tests/clients && node tests/clients/rotation.full.mjs
//
// Ends with 1 when a bound is broken. If the clients of this machine cannot decrypt as fast as `--rate` wants, it says so and tries
// again slower: what counts is that nothing is lost and everything is in order.

import { parseArgs } from 'node:util';
import { aMasterKey, aSealingApp } from './support/app.mjs';
import { isKept, pace, promises } from './support/rotation.mjs';
import { Traffic } from './support/traffic.mjs';
import { Workers } from './support/workers.mjs';

process.env.SEALCAST_BIN ??= '../../target/release/sealcast';
const { Server } = await import('./support/server.mjs');

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '200' },
    channels: { type: 'string', default: '5' },
    rate: { type: 'string', default: '50' },
    rotations: { type: 'string', default: '3' },
    processes: { type: 'string', default: '4' },
    turns: { type: 'string', default: '200' },
  },
});
const plan = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));
const channels = Array.from({ length: plan.channels }, (_, i) => `private-encrypted-room-${i}`);
const places = plan.clients * plan.channels;

/** Seconds of traffic at a rate before keys rotate. */
const WARM_UP = 8;
/** Clients later than this do not keep up with the rate. */
const LATE_MS = 1_000;
/** In a rotation a frame may wait for a client, for as long as the server's `hold_ms`. */
const LATE_IN_ROTATION_MS = LATE_MS + 2_000;
/** Between the end of one rotation and the next. */
const PAUSE_MS = 1_000;
const STEP = 0.75;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

class TooSlow extends Error {}

/** Largest lateness of the clients in milliseconds since the last call. */
async function lateness(workers, when, limit) {
  const late = Math.max(...(await workers.ask('lag')).map(({ lag }) => lag));
  if (late > limit) throw new TooSlow(`${when} the clients were ${late} ms late`);
  return late;
}

/** Measured in the last second: the first ones include compilation. */
async function warmUp(workers) {
  await sleep((WARM_UP - 1) * 1_000);
  await workers.ask('lag');
  await sleep(1_000);
  return lateness(workers, `after ${WARM_UP} s without a rotation`, LATE_MS);
}

/** Waits for the rotations while the clients keep up; returns their largest lateness. */
async function keepingUp(workers, rotated) {
  let [worst, over] = [0, false];
  const end = rotated.finally(() => (over = true));
  end.catch(() => {});
  while (!over) {
    await Promise.race([sleep(1_000), end]);
    worst = Math.max(worst, await lateness(workers, 'in a rotation', LATE_IN_ROTATION_MS));
  }
  await end;
  return worst;
}

/** Rotates under way; returns the keys, the oldest first, and how long each rotation took. */
async function rotate(server, app) {
  const [keys, seconds] = [[app.masterKey], []];
  for (let n = 0; n < plan.rotations; n += 1) {
    keys.push(aMasterKey());
    const start = performance.now();
    await server.admin.rotate(app, { key: keys.at(-1) });
    await server.admin.moved(app, 60_000);
    seconds.push((performance.now() - start) / 1000);
    await sleep(PAUSE_MS);
  }
  return { keys, seconds };
}

/** One run at this rate. */
async function run(rate) {
  // All clients have one address.
  const limits = { auth_per_ip: 100_000 };
  const app = aSealingApp({ authorizer: 'open', limits, rotation: { turns_per_second: plan.turns } });
  const server = await Server.start([app], { turns_per_second: plan.turns });
  const workers = new Workers(plan.processes);
  try {
    await workers.join(plan.clients, { url: server.url.href, app, channels });
    const traffic = new Traffic({ url: server.url, app, channels, perSecond: rate });
    traffic.start();
    const late = await warmUp(workers);
    const before = traffic.sent;
    const start = performance.now();
    const rotated = rotate(server, app);
    const lateInRotation = await keepingUp(workers, rotated);
    const { keys, seconds } = await rotated;
    const achieved = ((traffic.sent - before) * 1000) / (performance.now() - start);
    await traffic.stop();
    const missing = total(await workers.ask('drained', { sent: traffic.sent, ms: 60_000 }));
    const opening = async (masterKey) => total(await workers.ask('opening', { masterKey }));
    const [newest, ...old] = keys.toReversed();
    const outcome = { missing, openWithNew: await opening(newest), openWithOld: total(await Promise.all(old.map(opening))) };
    const reports = await workers.ask('report');
    const { rotation } = await server.admin.keys(app);
    await workers.ask('leave');
    await server.settled();
    return { rate, achieved, late, lateInRotation, seconds, sent: traffic.sent, outcome, reports, rotation };
  } finally {
    workers.stop();
    await server.stop();
  }
}

/** The first run within the capacity of this machine's clients. */
async function firstKeptUp() {
  for (let { rate } = plan; rate >= 1; rate = Math.floor(rate * STEP)) {
    try {
      return await run(rate);
    } catch (error) {
      if (!(error instanceof TooSlow)) throw error;
      console.log(`${rate} messages/s on each channel, ${rate * places} decryptions/s: ${error.message}`);
    }
  }
  return undefined;
}

function print(result) {
  const { rate, achieved, late, lateInRotation, seconds, sent, outcome, reports, rotation } = result;
  const received = total(reports.map((report) => report.received));
  const context = [
    ['pusher-js clients', plan.clients],
    ['encrypted channels of each', plan.channels],
    ['processes of clients', plan.processes],
    ['messages/s on each channel, wanted', rate],
    ['messages/s on each channel, in the rotations', achieved.toFixed(1)],
    ['messages on each channel', sent],
    ['decrypted by the clients', received],
    ['ms late before the rotations, at most', late],
    ['ms late in the rotations, at most', lateInRotation],
    ['seconds that each rotation took', seconds.map((s) => s.toFixed(1)).join(', ')],
    ['turns_per_second', plan.turns],
    ['as the server counts: nudges, re-authorized, reverted, closed', ['nudges', 'reauthorized', 'reverted', 'closed'].map((name) => rotation[name]).join(', ')],
  ];
  const rows = promises(reports, { places, rotations: plan.rotations, outcome });
  rows.push(pace(reports, { turnsPerSecond: plan.turns, lateMs: lateInRotation }));
  console.log('\n| what was run | |\n|---|---|');
  for (const [name, value] of context) console.log(`| ${name} | ${value} |`);
  console.log('\n| what was promised | measured | least | most | |\n|---|---|---|---|---|');
  for (const row of rows) {
    const [name, measured, least, most] = row;
    console.log(`| ${name} | ${Math.round(measured * 1000) / 1000} | ${least} | ${most} | ${isKept(row) ? 'kept' : 'BROKEN'} |`);
  }
  const anomalies = reports.flatMap((report) => [...report.anomalies, ...report.states]).slice(0, 20);
  if (anomalies.length > 0) console.log(`\nfirst anomalies: ${JSON.stringify(anomalies, null, 1)}`);
  return rows.every(isKept);
}

const result = await firstKeptUp();
if (!result) console.log('the clients kept up with no rate at all');
process.exit(result && print(result) ? 0 : 1);
