// Event streams that are cut at random bytes while events flow: nothing lost, doubled or out of order.
//
// A short form runs by default. The long one, 100 cuts of each reader during 10,000 events:
//   CUTS=100 EVENTS=10000 node --test --test-timeout=900000 streams.test.mjs
// SEED makes the cuts repeatable as far as the timing of the machine allows.

import { after, before, describe, test } from "node:test";
import { random } from "../clients/support/random.mjs";
import { expectNothingMissed, targetOf } from "./stream_cuts.mjs";
import { APP, SEED, TEST, browserReader, certificate, curlReader, cuttingProxy, startBench } from "./stream_support.mjs";

const SETS = [1, 8, 64];

describe("event streams", () => {
  let bench;
  before(async () => {
    bench = await startBench();
  }, TEST);
  after(() => bench?.stop(), TEST);

  const chromium = (url) => browserReader(bench.page, url);
  const curl = (...args) => (url) => curlReader(url, ["-H", `Origin: ${new URL(bench.pages).origin}`, ...args]);

  /** Readers of each kind on each set of channels, each behind a proxy of its own. */
  async function openReaders(t, server, kinds) {
    const readers = [];
    t.after(async () => {
      for (const reader of readers) {
        await reader.close();
        reader.proxy.close();
      }
    });
    for (const [kind, open] of Object.entries(kinds)) {
      for (const count of SETS) {
        const proxy = await cuttingProxy({ host: server.hostname, port: server.port }, random(SEED + readers.length + 1));
        const url = `${server.protocol}//127.0.0.1:${proxy.port}${targetOf(APP, count)}`;
        readers.push({ name: `${kind}, ${count} channels`, count, proxy, ...(await open(url)) });
      }
    }
    return readers;
  }

  test("survive cuts at any byte over HTTP/1.1", TEST, async (t) => {
    const server = await bench.serve("plain");
    const readers = await openReaders(t, server, { chromium, curl: curl("--http1.1") });
    await expectNothingMissed(t, server, SETS, readers);
  });

  test("survive cuts at any byte over TLS and HTTP/2", TEST, async (t) => {
    const { cert, key } = certificate(bench.directory);
    const server = await bench.serve("tls", `tls_cert_file = "${cert}"\ntls_key_file = "${key}"`);
    const readers = await openReaders(t, server, {
      chromium,
      "curl over HTTP/1.1": curl("--http1.1"),
      "curl over HTTP/2": curl("--http2"),
    });
    await expectNothingMissed(t, server, SETS, readers);
  });
});
