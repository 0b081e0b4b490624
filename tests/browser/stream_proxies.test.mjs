// Event streams through nginx and Caddy, with their buffering off and on, cut on both sides of the proxy.
//
// The long form, on 1, 8 and 64 channels:
//   SETS=1,8,64 CUTS=100 EVENTS=10000 node --test --test-timeout=900000 stream_proxies.test.mjs

import http from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { random } from "../clients/support/random.mjs";
import { PROXIES, startProxy } from "./proxies.mjs";
import { channelsOf, expectNothingMissed, targetOf } from "./stream_cuts.mjs";
import { APP, SEED, TEST, browserReader, certificate, curlReader, cuttingProxy, publisher, startBench } from "./stream_support.mjs";
import { eventually } from "./support.mjs";

const SETS = (process.env.SETS ?? "8").split(",").map(Number);

describe("event streams through proxies", () => {
  let bench;
  let pair;
  before(async () => {
    bench = await startBench();
    pair = certificate(bench.directory);
  }, TEST);
  after(() => bench?.stop(), TEST);

  const kinds = {
    "chromium over HTTP/1.1": { scheme: "http", open: (url) => browserReader(bench.page, url) },
    "chromium over HTTP/2": { scheme: "https", open: (url) => browserReader(bench.page, url) },
    "curl over HTTP/1.1": { scheme: "http", open: (url) => curl(url, "--http1.1") },
    "curl over HTTP/2": { scheme: "https", open: (url) => curl(url, "--http2") },
  };
  const curl = (url, ...args) => curlReader(url, ["-H", `Origin: ${new URL(bench.pages).origin}`, ...args]);

  /** A network in front of the server, a proxy behind it, and readers each behind a network of its own. */
  async function openReaders(t, server, name, seed) {
    const upstream = await cuttingProxy({ host: server.hostname, port: server.port }, random(seed));
    const readers = [];
    let proxy;
    // The proxy last: it waits for its clients.
    t.after(async () => {
      for (const reader of readers) {
        await reader.close();
        reader.proxy.close();
      }
      upstream.close();
      await proxy?.stop();
    });
    proxy = await startProxy(join(bench.directory, `proxy-${seed}`), pair, PROXIES[name], upstream.port);
    for (const [kind, { scheme, open }] of Object.entries(kinds)) {
      for (const count of SETS) {
        const network = await cuttingProxy({ path: proxy[scheme] }, random(seed + readers.length + 1));
        const reader = await open(`${scheme}://127.0.0.1:${network.port}${targetOf(APP, count)}`);
        readers.push({ name: `${name}, ${kind}, ${count} channels`, count, proxy: network, ...reader });
      }
    }
    return { upstream, readers };
  }

  test("survive cuts at any byte on both sides", TEST, async (t) => {
    const server = await bench.serve("proxied", 'trusted_proxies = ["127.0.0.1"]');
    const lines = [];
    for (const [index, name] of Object.keys(PROXIES).entries()) {
      lines.push(await openReaders(t, server, name, SEED + 100 * (index + 1)));
    }
    const readers = lines.flatMap(({ readers }) => readers);
    // What a proxy buffers comes with what follows.
    const flush = (publish) => publish(SETS.flatMap((count) => channelsOf(count)), "x".repeat(2000), "more");
    await expectNothingMissed(t, server, SETS, readers, { proxies: lines.map(({ upstream }) => upstream), flush });
  });

  test("arrive at once and uncompressed where the proxy heeds the server's headers", TEST, async (t) => {
    const server = await bench.serve("usual", 'trusted_proxies = ["127.0.0.1"]');
    const agent = new http.Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const publish = publisher(server.origin, agent);
    const heeding = Object.entries(PROXIES).filter(([, { isLate }]) => !isLate);
    await Promise.all(heeding.map(async ([name, settings], index) => {
      const proxy = await startProxy(join(bench.directory, `usual-${index}`), pair, settings, server.port);
      const ends = [];
      try {
        for (const scheme of ["http", "https"]) {
          const network = await cuttingProxy({ path: proxy[scheme] }, random(SEED));
          // curl hands a compressed body on as it is.
          const reader = curl(`${scheme}://127.0.0.1:${network.port}${targetOf(APP, 1)}`, "-H", "Accept-Encoding: gzip");
          ends.push(reader.close, network.close);
          await expectAtOnce(publish, reader, `through ${name} over ${scheme}`);
        }
      } finally {
        for (const end of ends) await end();
        await proxy.stop();
      }
    }));
  });

  async function expectAtOnce(publish, reader, through) {
    const [channel] = channelsOf(1);
    await eventually(`the handshake ${through}`, async () => (await reader.read()).handshakes === 1);
    await publish([channel], "single");
    await eventually(`a single event ${through}`, async () => (await reader.read()).told[channel]?.includes("single"));
  }
});
