// Pages in Chromium: tickets over cuts, and the secrets and the order of examples/lib/stream.js. See also
// tests/clients/stream_library.test.mjs.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { random } from "../clients/support/random.mjs";
import { openPage, signedApi, startBackend } from "./stream_page.mjs";
import { APP, SEED, TEST, cuttingProxy, startBench } from "./stream_support.mjs";
import { eventually } from "./support.mjs";

/** Points before the browser has an id, as what the connection carries last. */
const CUTS_BEFORE_AN_ID = {
  "before any answer": /^/,
  "behind the head": /\r\n\r\n/,
  "within the first id": /\nid: .../,
  "before the blank line": /\nid: [^\n]+\n/,
};

describe("pages with event streams", () => {
  let bench;
  before(async () => {
    bench = await startBench();
  }, TEST);
  after(() => bench?.stop(), TEST);

  /** A page on these channels, with a server of its own. */
  async function streamPage(t, name, channels) {
    const backend = await startBackend(t);
    const server = await bench.serve(name, "", backend.url);
    const api = signedApi(t, server);
    backend.tokens.u1 = await api.token("u1", channels);
    const opened = await openPage(t, bench.browser, server, backend, "u1", channels);
    return { ...opened, publish: api.publish, backend };
  }

  test("stream.js gets tickets and secrets, and opens in order", TEST, async (t) => {
    const channel = "private-encrypted-cut-1";
    const { page, proxy, told, publish, backend } = await streamPage(t, "helper", [channel]);
    for (let n = 0; n < 60; n++) {
      await publish([channel], `${n}`);
      if (n % 20 === 10) proxy.cut();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const expected = Array.from({ length: 60 }, (_, n) => `${n}`);
    await eventually("all events", async () => (await told())[channel].length >= 60).catch(() => {});
    assert.deepEqual(await told(), { [channel]: expected });
    assert.deepEqual(await page.evaluate(() => window.gaps), []);
    assert.ok(backend.asked <= 6, `${backend.asked} tokens: a cut needs no other ticket`);
  });

  test("stream.js hands on events once, though they wait for a secret while the browser gives up", TEST, async (t) => {
    const [sealed, plain] = ["private-encrypted-cut-2", "private-cut-2"];
    const { page, proxy, told, publish } = await streamPage(t, "held", [sealed, plain]);
    await page.evaluate(() => {
      window.mayAsk = new Promise((resolve) => (window.letAsk = resolve));
    });
    const opened = () => page.evaluate(() => window.states.filter((state) => state === "open").length);
    const publishBetween = async (from, to) => {
      for (let n = from; n < to; n++) for (const channel of [sealed, plain]) await publish([channel], `${n}`);
    };
    await publishBetween(0, 5);
    await eventually("the events of the other channel", async () => (await told())[plain].length === 5);
    proxy.refuse();
    await publishBetween(5, 10);
    await eventually("another stream", async () => (await opened()) === 2);
    await publishBetween(10, 15);
    await page.evaluate(() => window.letAsk());
    const isAll = ({ [sealed]: one, [plain]: other }) => one.length >= 15 && other.length >= 15;
    await eventually("all events", async () => isAll(await told())).catch(() => {});
    const expected = Array.from({ length: 15 }, (_, n) => `${n}`);
    assert.deepEqual(await told(), { [sealed]: expected, [plain]: expected }, "each once and in order");
    assert.deepEqual(await page.evaluate(() => window.gaps), []);
  });

  test("return with the same ticket from a cut before the first id", TEST, async (t) => {
    const backend = await startBackend(t);
    const server = await bench.serve("tickets", "", backend.url);
    const { token, publish } = signedApi(t, server);
    const bearer = await token("u1", ["private-cut-1"]);
    const page = await (await bench.browser.newContext()).newPage();
    t.after(() => page.context().close());
    await page.goto(backend.url);
    const networks = await Promise.all(Object.entries(CUTS_BEFORE_AN_ID).map(async ([name, pattern]) => {
      const proxy = await cuttingProxy({ host: server.hostname, port: server.port }, random(SEED));
      t.after(() => proxy.close());
      proxy.cutBehind(pattern);
      return { name, proxy, port: proxy.port };
    }));
    await page.evaluate(openWithTickets, {
      tickets: `${server.origin}/app/${APP.key}/tickets`,
      bearer,
      streams: networks.map(({ name, port }) => ({ name, url: `http://127.0.0.1:${port}/app/${APP.key}/sse` })),
    });
    const seen = () => page.evaluate(() => window.seen);
    for (const { name } of networks) {
      await eventually(`another stream after a cut ${name}`, async () => (await seen())[name].states.length > 0);
    }
    await eventually("all streams", async () => Object.values(await seen()).every(({ subscribed }) => subscribed));
    await publish(["private-cut-1"], "served");
    await eventually("the event", async () => Object.values(await seen()).every(({ told }) => told.length > 0));
    for (const [name, { states, told }] of Object.entries(await seen())) {
      assert.deepEqual({ states, told }, { states: [0], told: ["served"] }, `the browser returns by itself: ${name}`);
    }
    for (const { name, proxy } of networks) {
      const requests = proxy.requests.filter((text) => text.startsWith("GET "));
      assert.equal(requests.length, 2, name);
      assert.doesNotMatch(requests.join(), /last-event-id/i, `there is no id to return with: ${name}`);
    }
  });
});

/** Runs in the page: an EventSource for each of these streams, with a ticket of its own. */
async function openWithTickets({ tickets, bearer, streams }) {
  window.seen = {};
  const headers = { authorization: `Bearer ${bearer}`, "content-type": "application/json" };
  for (const { name, url } of streams) {
    const body = JSON.stringify({ channels: ["private-cut-1"] });
    const { ticket } = await (await fetch(tickets, { method: "POST", headers, body })).json();
    const seen = (window.seen[name] = { states: [], told: [], subscribed: false });
    const source = new EventSource(`${url}?ticket=${ticket}`);
    source.onerror = () => seen.states.push(source.readyState);
    source.onmessage = (message) => {
      const { event, data } = JSON.parse(message.data);
      if (event === "e") seen.told.push(data);
      // The first one may come before its connection is cut.
      seen.subscribed = seen.states.length > 0;
    };
  }
}
