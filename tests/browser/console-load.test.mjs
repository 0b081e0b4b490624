// A busy server: what the page shows of 2,000 entries a second, and that its heap stays flat.
//
//   LOAD_SECONDS=60 node --test --test-timeout=300000 console-load.test.mjs

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { goTo, signedIn } from "./console-page.mjs";
import { connect, refusedClient, startConsole } from "./console-rig.mjs";
import { eventually, launchBrowser } from "./support.mjs";

const SECONDS = Number(process.env.LOAD_SECONDS ?? 10);
const PER_SECOND = 2_000;
const MAX_GROWTH = 2_000_000;
/** Channels of one event: each gives an entry. */
const BATCH = 20;
const CHANNELS = Array.from({ length: BATCH }, (_, at) => `load-${at}`);
const LANES = 4;

let browser;
before(async () => { browser = await launchBrowser(); });
after(() => browser?.close());

/** Events at an even rate until `stop`; resolves with their number. */
function flood(server) {
  const end = { stop: false };
  const run = async (lane) => {
    let sent = 0;
    const began = performance.now();
    while (!end.stop) {
      const due = (sent / (PER_SECOND / LANES)) * 1000;
      const wait = due - (performance.now() - began);
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      await server.api.trigger(CHANNELS, `tick-${lane}`, { n: sent });
      sent += BATCH;
    }
    return sent;
  };
  const running = Promise.all(Array.from({ length: LANES }, (_, lane) => run(lane)));
  running.catch(() => {});
  return async () => {
    end.stop = true;
    return (await running).reduce((sum, sent) => sum + sent, 0);
  };
}

test(`${PER_SECOND} entries a second for ${SECONDS} s`, async (t) => {
  const server = await startConsole(t);
  const client = await connect(t, server);
  for (const name of CHANNELS) await client.subscribe(name);
  const tab = await signedIn(t, browser, server);
  const debug = await tab.context.newCDPSession(tab.page);
  const heap = async () => {
    await debug.send("HeapProfiler.collectGarbage");
    return (await debug.send("Runtime.getHeapUsage")).usedSize;
  };
  await tab.page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration); }).observe({ type: "longtask" });
  });
  await goTo(tab.page, "live");
  const stop = flood(server);
  const began = performance.now();
  const until = (second) => new Promise((resolve) => setTimeout(resolve, Math.max(0, second * 1000 - (performance.now() - began))));
  // The ring of 5,000 entries fills at 200 a second; a heap compared earlier would only show that.
  await until(Math.max(3, Math.min(28, SECONDS / 2)));
  tab.traffic.length = 0;
  const before = await heap();
  // Late: the page keeps the newest 5,000 entries, which are those of 25 s.
  await until(Math.max(0, SECONDS - 6));
  const refused = [];
  for (let at = 0; at < 5; at += 1) refused.push((await refusedClient(t, server, `private-refused-${at}`)).pusher.connection.socket_id);
  await until(SECONDS);
  const taken = tab.frames().flatMap(({ entries = [] }) => entries);
  await tab.page.locator(".count", { hasText: "more a second match than are shown" }).waitFor();
  const grown = (await heap()) - before;
  const seconds = (performance.now() - began) / 1000;
  const sent = await stop();

  const shown = taken.filter(({ type, socket_id: id }) => type === "refused" && refused.includes(id));
  assert.equal(new Set(shown.map(({ channel }) => channel)).size, 5, "every refusal is sent, whatever else happens");
  const counts = tab.frames().filter(({ counts: it }) => it);
  const most = Math.max(...counts.map(({ counts: it }) => it.events));
  const perSecond = taken.length / counts.length;
  const longest = await tab.page.evaluate(() => window.longest);
  console.log(`sent ${Math.round(sent / seconds)} events/s; at most ${most} counted and ${Math.round(perSecond)} taken a second; heap ${(grown / 1e6).toFixed(1)} MB; longest task ${Math.round(longest)} ms`);
  assert.ok(perSecond < 260, `${perSecond} entries a second came`);
  assert.ok(counts.every(({ counts: it }) => Number.isInteger(it.events)) && most > 400, "all that matched are counted");
  assert.ok(grown < MAX_GROWTH, `the heap grew by ${grown} bytes`);
  await tab.page.keyboard.press("/");
  await tab.page.keyboard.type("type:refused");
  await tab.page.keyboard.press("Enter");
  await eventually("five refusals in the list", async () => (await tab.page.locator("[data-seq]").count()) === 5);
  assert.deepEqual(tab.complaints, []);
});
