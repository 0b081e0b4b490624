// The client side of examples/lib against a server that answers what it should not. No browser needed.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { openFetchStream } from "../../examples/lib/fetch-stream.js";
import { openClient } from "../../examples/lib/publish.js";
import { openSnapshot } from "../../examples/lib/snapshot.js";

const TEST = { timeout: 20_000 };

/** Starts a server, and counts its requests. */
async function serverFor(t, answer) {
  const requests = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(response, requests.length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${server.address().port}`, requests };
}

const refuse = (status, headers = {}) => (response) => response.writeHead(status, headers).end("{}");
const turns = async (count) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setTimeout(resolve, 20));
};

test("a request is not held back for longer than a page waits", TEST, async (t) => {
  for (const seconds of ["3600", "99999999"]) {
    const { url, requests } = await serverFor(t, refuse(429, { "retry-after": seconds }));
    await assert.rejects(openClient({ url }).publish("news", "note", "x"), { status: 429, retryAfter: Number(seconds) });
    assert.equal(requests.length, 1, "asking sooner than told is of no use");
  }
});

test("a Retry-After that is no sensible number makes no quick tries", TEST, async (t) => {
  for (const seconds of ["-5", "0.001", "Infinity", "soon"]) {
    const { url, requests } = await serverFor(t, refuse(503, { "retry-after": seconds }));
    const stopping = new AbortController();
    const asked = openClient({ url }).publish("news", "note", "x", { signal: stopping.signal });
    // The first pause lasts 300 ms at least.
    await turns(5);
    stopping.abort(new Error("enough"));
    await assert.rejects(asked, /enough/);
    assert.equal(requests.length, 1, seconds);
  }
});

test("a page's token that never comes is a lost answer", TEST, async () => {
  const client = openClient({ url: "http://127.0.0.1:1", token: () => new Promise(() => {}), tries: 1, answerMs: 50 });
  await assert.rejects(client.publish("news", "note", "x"), { status: 0 });
});

/** Opens a stream that ends with the test. */
function streamFor(t, url, options = {}) {
  const states = [];
  const stream = openFetchStream({
    url, channels: ["news"], token: async () => undefined, onEvent() {}, onState: (state, detail) => states.push([state, detail]), ...options,
  });
  t.after(() => stream.close());
  return { stream, states };
}

const untilState = async (states, name) => {
  while (!states.some(([state]) => state === name)) await turns(1);
};

test("a stream waits for half a minute at most, and never asks at once", TEST, async (t) => {
  for (const seconds of ["99999999", "-5", "Infinity", "0.001"]) {
    const { url, requests } = await serverFor(t, refuse(503, { "retry-after": seconds }));
    const { stream, states } = streamFor(t, url);
    await untilState(states, "waiting");
    const wait = stream.retryAt - Date.now();
    assert.ok(wait > 100 && wait <= 36_000, `${seconds}: ${wait} ms`);
    await turns(5);
    assert.equal(requests.length, 1, seconds);
    stream.close();
  }
});

test("a stream whose answer or token never comes is tried again", TEST, async (t) => {
  const { url } = await serverFor(t, () => {});
  for (const options of [{}, { token: () => new Promise(() => {}) }]) {
    const { states } = streamFor(t, url, { ...options, silenceMs: 50 });
    await untilState(states, "waiting");
    assert.equal(states[0][1].status, 0);
  }
});

test("nothing follows the end of a stream that the page closes at an event", TEST, async (t) => {
  const { url } = await serverFor(t, (response) => {
    const message = (value) => `data: ${JSON.stringify(value)}\n\n`;
    const hands = { event: "pusher:connection_established", data: JSON.stringify({ socket_id: "1.1" }) };
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write([{ event: "note", channel: "news", data: "1" }, hands, { event: "note", channel: "news", data: "2" }].map(message).join(""));
  });
  const told = [];
  const { stream, states } = streamFor(t, url, { onEvent({ data }) {
    told.push(data);
    stream.close();
  } });
  await untilState(states, "closed");
  await turns(3);
  stream.close();
  assert.deepEqual(told, ["1"]);
  assert.deepEqual(states.map(([state]) => state), ["closed"]);
});

/** A cache channel with conditions; `lose()` is an expiry. */
function cacheChannel() {
  let event = null;
  let position = null;
  let count = 0;
  return {
    lose: () => (event = position = null),
    get newest() {
      return event;
    },
    client: {
      async publish(channel, name, data, { ifMatch = null }) {
        if (position !== ifMatch) return { ok: false, position };
        [event, position] = [data, `p${++count}`];
        return { ok: true, position };
      },
      last: async () => (event ? { status: "event", event: { data: event }, position } : { status: "empty" }),
    },
  };
}

const snapshotOf = (client) =>
  openSnapshot({ client, channel: "c", name: "n", seal: async (value) => JSON.stringify(value), open: async (text) => JSON.parse(text), empty: () => [] });

const add = (snapshot, id) => snapshot.change(id, (state) => [...state, id]);

test("no change is lost when an older snapshot was written back, and went on", TEST, async () => {
  for (const changesOfBob of [1, 2, 3]) {
    const channel = cacheChannel();
    const [ann, bob] = [snapshotOf(channel.client), snapshotOf(channel.client)];
    await add(ann, "first");
    await bob.load();
    // Bob is away meanwhile.
    await add(ann, "ann 1");
    await add(ann, "ann 2");
    channel.lose();
    // He is back before Ann, and has what she has not.
    await bob.writeBack();
    for (let n = 1; n <= changesOfBob; n++) await add(bob, `bob ${n}`);
    await ann.load();
    await add(ann, "ann 3");
    await bob.receive(channel.newest, null);
    await ann.receive(channel.newest, null);
    const expected = ["ann 1", "ann 2", "ann 3", ...Array.from({ length: changesOfBob }, (_, i) => `bob ${i + 1}`), "first"];
    for (const { state } of [ann, bob]) assert.deepEqual([...state].sort(), expected);
  }
});

test("a snapshot without ids is taken as it is", TEST, async () => {
  const channel = cacheChannel();
  const ann = snapshotOf(channel.client);
  await add(ann, "ann");
  assert.deepEqual(await ann.receive(JSON.stringify({ version: 2, applied: [], state: ["ann", "other"] }), null), ["ann", "other"]);
});

test("a change that is older than the list of changes is not made again", TEST, async () => {
  const channel = cacheChannel();
  const [ann, bob] = [snapshotOf(channel.client), snapshotOf(channel.client)];
  await add(ann, "ann");
  await bob.load();
  for (let n = 0; n < 120; n++) await add(bob, `bob ${n}`);
  await ann.receive(channel.newest, null);
  await ann.load();
  assert.equal(ann.state.filter((item) => item === "ann").length, 1);
});

test("a page that takes a change away each time is not written over without end", TEST, async () => {
  const channel = cacheChannel();
  const ann = snapshotOf(channel.client);
  await add(ann, "first");
  await add(ann, "ann");
  let writes = 0;
  const { publish } = channel.client;
  channel.client.publish = (...args) => (writes++, publish(...args));
  for (let n = 0; n < 10; n++) {
    await ann.receive(JSON.stringify({ version: ann.version + 1, applied: ["first"], state: ["first"] }), null);
  }
  assert.ok(writes > 0 && writes <= 12, `${writes} writes`);
});

test("an event that the server keeps but does not show is an error after a few tries", TEST, async () => {
  let writes = 0;
  const client = {
    publish: async () => (writes++, { ok: false, position: "p1" }),
    last: async () => ({ status: "empty" }),
  };
  await assert.rejects(add(snapshotOf(client), "a"), /keeps a state here that it does not show to this page/);
  assert.ok(writes < 10, `${writes} writes`);
});
