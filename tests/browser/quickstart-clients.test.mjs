// The quickstart's Jetsocket client and its tokens without a browser, in orders that one gives rarely.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import nacl from "tweetnacl";
import { openAccess } from "../../examples/quickstart/public/access.js";
import { Jetsocket } from "../../examples/quickstart/public/jetsocket.js";
import { roleToken } from "../../examples/quickstart/roles.mjs";

const CHANNEL = "private-encrypted-staff.room";
const KEY = new Uint8Array(32).fill(1);
const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const settled = () => new Promise(setImmediate);

class FakeWebSocket extends EventTarget {
  static OPEN = 1;
  static CLOSING = 2;
  static newest;
  readyState = 1;
  sent = [];

  constructor() {
    super();
    FakeWebSocket.newest = this;
  }

  send(text) {
    this.sent.push(JSON.parse(text).event);
  }

  close() {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code: 4000 }));
  }

  receive(event, data, channel) {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ event, data, channel }) }));
  }

  sealed(event, plain, key = KEY) {
    const nonce = nacl.randomBytes(24);
    this.receive(event, JSON.stringify({ nonce: base64(nonce), ciphertext: base64(nacl.secretbox(Buffer.from(plain), nonce, key)) }), CHANNEL);
  }

  letIn() {
    this.receive("jetsocket_internal:subscription_succeeded", "{}", CHANNEL);
  }
}

const real = { WebSocket: globalThis.WebSocket, nacl: globalThis.nacl, fetch: globalThis.fetch };
beforeEach(() => Object.assign(globalThis, { WebSocket: FakeWebSocket, nacl: { secretbox: nacl.secretbox } }));
afterEach(() => {
  FakeWebSocket.newest?.close();
  Object.assign(globalThis, real);
});

async function open(handlers, authorize = async () => ({ auth: "k:s", shared_secret: base64(KEY) })) {
  const unopened = [];
  const client = new Jetsocket("http://127.0.0.1:1", "key", {
    authorize, on: { state() {}, refused() {}, error() {}, unopened: (event) => unopened.push(event) },
  });
  client.subscribe(CHANNEL, handlers);
  const socket = FakeWebSocket.newest;
  socket.receive("jetsocket:connection_established", JSON.stringify({ socket_id: "1.1", activity_timeout: 120 }));
  await settled();
  assert.deepEqual(socket.sent, ["jetsocket:subscribe"]);
  socket.letIn();
  return { client, socket, unopened };
}

test("a text that is no JSON, or a handler that fails, stops no later event", async (t) => {
  const errors = t.mock.method(console, "error", () => {});
  const seen = [];
  const { socket } = await open({ message: (data) => (data.fails ? data.fails() : seen.push(data)) });
  for (const plain of ["plain text", '{"fails":1}', '"last"']) socket.sealed("message", plain);
  await settled();
  await settled();
  assert.deepEqual(seen, ["plain text", "last"]);
  assert.equal(errors.mock.callCount(), 1);
});

test("a frame of a subscription that was left is no message that does not open", async () => {
  const seen = [];
  const { client, socket, unopened } = await open({ message: (data) => seen.push(data) });
  client.unsubscribe(CHANNEL);
  client.subscribe(CHANNEL, { message: (data) => seen.push(data) });
  socket.sealed("message", '"on its way"');
  await settled();
  socket.letIn();
  socket.sealed("message", '"anew"');
  await settled();
  assert.deepEqual({ seen, unopened }, { seen: ["anew"], unopened: [] });
});

test("an event that asked for a key is not shown after the channel was left", async () => {
  const seen = [];
  const answers = [];
  const { client, socket, unopened } = await open({ message: (data) => seen.push(data) }, () =>
    new Promise((resolve) => (answers.length === 0 ? resolve({ auth: "k:s", shared_secret: base64(KEY) }) : 0, answers.push(resolve))));
  const next = new Uint8Array(32).fill(2);
  socket.sealed("message", '"for staff"', next);
  await settled();
  assert.equal(answers.length, 2);
  client.unsubscribe(CHANNEL);
  answers[1]({ shared_secret: base64(next) });
  await settled();
  assert.deepEqual({ seen, unopened }, { seen: [], unopened: [] });
});

test("a token of a role that was left meanwhile is not kept", async () => {
  const pending = [];
  const used = [];
  globalThis.fetch = (url, { body, headers }) => {
    const answer = (value) => new Response(JSON.stringify(value));
    if (url === "/token") return new Promise((resolve) => pending.push(() => resolve(answer({ token: JSON.parse(body).role, seconds: 900 }))));
    used.push(headers.Authorization);
    return Promise.resolve(answer({ auth: "k:s" }));
  };
  const me = { id: "0".repeat(16), name: "Ann", role: "staff" };
  const access = openAccess({ hasRoles: true, url: "", key: "key", sealedChannel: CHANNEL }, me);
  const first = access.authorize("pusher", "1.1", CHANNEL);
  me.role = "guest";
  access.forget();
  const second = access.authorize("pusher", "1.1", CHANNEL);
  await settled();
  // The older answer comes last.
  pending[1]();
  await second;
  pending[0]();
  await first;
  await access.authorize("pusher", "1.1", CHANNEL);
  assert.equal(used.at(-1), "Bearer guest");
});

test("the subject of a token is a text", () => {
  assert.throws(() => roleToken("secret", { id: ["0".repeat(16)], name: "Ann", role: "staff" }), { status: 400 });
});
