// Encrypted event streams that are cut while keys rotate, a member is removed and tokens are revoked. The others lose
// nothing without a gap; a revoked reader gets nothing more, and is told.

import assert from "node:assert/strict";
import http from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { channelsOf, expectAll, publishWhileCutting } from "./stream_cuts.mjs";
import { openPage, signedApi, startBackend } from "./stream_page.mjs";
import { APP, SEED, TEST, startBench } from "./stream_support.mjs";
import { eventually } from "./support.mjs";

const SETS = [1, 8, 64];
const PREFIX = "private-encrypted-";
const channelsIn = (count) => channelsOf(count, PREFIX);

// By share of the events. A rotation must be over before the next one.
const ROTATE_AT = [0.2, 0.6];
const REVOKE_AT = 0.4;

/** Starts a rotation through the admin API; false while the former one goes on. */
function rotate(home) {
  const path = `/admin/apps/${APP.id}/keys/rotate`;
  const headers = { "content-type": "application/json", "content-length": 2 };
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath: join(home, "admin.sock"), method: "POST", path, headers }, (answer) => {
      answer.resume().on("end", () => {
        if ([200, 409].includes(answer.statusCode)) resolve(answer.statusCode === 200);
        else reject(new Error(`a rotation: ${answer.statusCode}`));
      });
    });
    request.on("error", reject).end("{}");
  });
}

describe("encrypted event streams", () => {
  let bench;
  before(async () => {
    bench = await startBench();
  }, TEST);
  after(() => bench?.stop(), TEST);

  test("survive cuts during rotations and revocations", TEST, async (t) => {
    const backend = await startBackend(t);
    const server = await bench.serve("rotated", "", backend.url);
    const { post, token, publish } = signedApi(t, server);
    const open = async (user, count) => {
      backend.tokens[user] ??= await token(user, [`${PREFIX}*`]);
      return { count, ...(await openPage(t, bench.browser, server, backend, user, channelsIn(count), SEED + count)) };
    };
    const staying = [];
    for (const count of SETS) staying.push(await open("stays", count));
    const removed = await open("removed", 8);
    const revoked = await open("revoked", 1);
    const everybody = [...staying, removed, revoked];
    // A page asks for its first secret with the first event. One that comes after a rotation does not open it.
    const all = SETS.flatMap((count) => channelsIn(count));
    for (let from = 0; from < all.length; from += 50) await publish(all.slice(from, from + 50), "first");
    for (const { user, channels, told } of everybody) {
      const isReady = (told) => channels.every((channel) => told[channel].length === 1);
      await eventually(`the first secrets of ${user}`, async () => isReady(await told()), 30_000);
    }

    const rotations = [...ROTATE_AT];
    let lastForRevoked;
    const during = async (share, sent) => {
      if (share >= rotations[0] && (await rotate(server.home))) rotations.shift();
      if (share < REVOKE_AT || lastForRevoked) return;
      await post(`/channels/${channelsIn(8)[3]}/revoke`, { user_id: "removed" });
      await post("/tokens/revoke", { user_id: "revoked" });
      lastForRevoked = Object.fromEntries(Object.entries(sent).map(([channel, texts]) => [channel, texts.length + 1]));
    };
    const proxies = everybody.map(({ proxy }) => proxy);
    const sent = await publishWhileCutting(publish, SETS, proxies, { prefix: PREFIX, during });
    for (const texts of Object.values(sent)) texts.unshift("first");
    assert.deepEqual(rotations, [], "both rotations have begun");

    for (const reader of staying) {
      const what = `${reader.count} channels`;
      const isAll = (told) => reader.channels.every((channel) => told[channel].at(-1) === sent[channel].at(-1));
      await eventually(`the last events on ${what}`, async () => isAll(await reader.told())).catch(() => {});
      const told = await reader.told();
      for (const channel of reader.channels) {
        const { gaps, lost } = expectAll(`${what}: ${channel}`, sent[channel], told[channel]);
        if (gaps.length > 0) t.diagnostic(`${channel}: ${gaps}; lost ${lost} of ${sent[channel]}`);
        assert.deepEqual(gaps.filter((gap) => gap !== "gap sealed"), [], "the log has all");
      }
    }
    for (const reader of [removed, revoked]) {
      const told = await reader.told();
      for (const channel of reader.channels) {
        const before = sent[channel].slice(0, lastForRevoked[channel]);
        assert.ok(told[channel].length > 0, `${reader.user} was a reader of ${channel}`);
        assert.deepEqual(told[channel].filter((text) => !before.includes(text)), [], `${reader.user} on ${channel}`);
      }
      // Its tries may have been cut until now. The next one is refused.
      const look = () => reader.page.evaluate(() => ({ states: window.states, errors: window.errors }));
      const isRefused = async () => (await look()).errors.some((error) => /^40[13] /.test(error));
      await eventually(`${reader.user} is told`, isRefused, 60_000);
      const { states } = await look();
      assert.equal(states.at(-1), "waiting", reader.user);
    }
  });
});
