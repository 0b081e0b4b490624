// Cuts the readers of event streams while events flow, and compares what they were told with what was sent.

import assert from "node:assert/strict";
import http from "node:http";
import https from "node:https";
import { random } from "../clients/support/random.mjs";
import { CUTS, EVENTS, LENGTH_MS, SEED, publisher } from "./stream_support.mjs";
import { eventually } from "./support.mjs";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const channelsOf = (count, prefix = "") => Array.from({ length: count }, (_, n) => `${prefix}cut-${count}-${n}`);

/** The target of a stream of `count` channels. */
export const targetOf = (app, count) => `/app/${app.key}/sse?${channelsOf(count).map((name) => `channel=${name}`).join("&")}`;

/** Expects each event of a channel once and in order, except for those `lost` that `gaps` stand for. Returns both. */
export function expectAll(what, sent, told) {
  let next = 0;
  let gap = false;
  const gaps = [];
  const lost = [];
  for (const text of told) {
    if (text.startsWith("gap ")) {
      gap = true;
      gaps.push(text);
      continue;
    }
    const at = sent.indexOf(text, next);
    assert.ok(at >= 0, `${what}: ${text} comes twice, or behind ${sent[next - 1]}`);
    assert.ok(at === next || gap, `${what}: ${sent.slice(next, at)} are lost before ${text} without a gap`);
    lost.push(...sent.slice(next, at));
    next = at + 1;
    gap = false;
  }
  assert.ok(next === sent.length || gap, `${what}: ${sent.slice(next)} are lost at the end without a gap`);
  lost.push(...sent.slice(next));
  return { gaps, lost };
}

/** The times at which each of these networks is cut, in order. */
function schedule(proxies, rng) {
  const cuts = proxies.flatMap((proxy) =>
    Array.from({ length: CUTS }, (_, n) => ({ at: ((n + 0.2 + rng() * 0.6) / CUTS) * LENGTH_MS, proxy })));
  return cuts.sort((one, other) => one.at - other.at);
}

/**
 * Publishes to sets of 1, 8, 64, ... channels, their names with `prefix`, while `proxies` are cut. `during(share, sent)`
 * is called with the share of the events that have been sent. Resolves with the texts sent to each channel.
 */
export async function publishWhileCutting(publish, sets, proxies, { prefix = "", during = async () => {} } = {}) {
  const cuts = schedule(proxies, random(SEED));
  const all = sets.flatMap((count) => channelsOf(count, prefix));
  const sent = Object.fromEntries(all.map((channel) => [channel, []]));
  const begun = Date.now();
  for (let n = 0; n < EVENTS; n++) {
    const channels = sets.map((count) => `${prefix}cut-${count}-${n % count}`);
    await publish(channels, `${n}:`.padEnd(200 + (n % 7) * 100, "x"));
    channels.forEach((channel) => sent[channel].push(`${n}`));
    while (cuts[0]?.at <= Date.now() - begun) cuts.shift().proxy.cut();
    await during((n + 1) / EVENTS, sent);
    const ahead = begun + ((n + 1) * LENGTH_MS) / EVENTS - Date.now();
    if (ahead > 0) await sleep(ahead);
  }
  return sent;
}

/** The number of events and gaps that a reader was told. */
const countOf = (told) => Object.values(told).flat().length;

/**
 * Cuts these readers, `{ name, count, proxy, read }`, and expects all events without a gap. `flush` is called until all
 * has arrived.
 */
export async function expectNothingMissed(t, server, sets, readers, { proxies = [], flush = () => {} } = {}) {
  const { Agent } = server.protocol === "https:" ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false });
  t.after(() => agent.destroy());
  const publish = publisher(server.origin, agent);
  // A reader without an id begins with the events of now.
  for (const reader of readers) {
    await eventually(`a handshake of ${reader.name}`, async () => {
      await flush(publish);
      return (await reader.read()).handshakes > 0;
    }, 30_000);
  }
  const sent = await publishWhileCutting(publish, sets, [...readers.map(({ proxy }) => proxy), ...proxies]);
  for (const reader of readers) {
    await eventually(`all events for ${reader.name}`, async () => {
      await flush(publish);
      return countOf((await reader.read()).told) >= EVENTS;
    }).catch(() => {});
    const { told, givenUp, silence } = await reader.read();
    if (silence) t.diagnostic(`${reader.name}: longest silence ${Math.round(silence)} ms; the browser gave up ${givenUp} times`);
    for (const channel of channelsOf(reader.count)) {
      const what = `${reader.name}: ${channel}`;
      assert.deepEqual(expectAll(what, sent[channel], told[channel] ?? []).gaps, [], what);
    }
  }
}
