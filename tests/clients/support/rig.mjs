import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import PusherSdk from 'pusher';
import { Backend } from './backend.mjs';
import { nodeBuild } from './builds.mjs';
import { Client, optionsFor } from './client.mjs';
import { Proxy } from './proxy.mjs';
import { RawSocket } from './raw.mjs';
import { Server } from './server.mjs';

/** The official server SDK, with a record of its request bodies. */
class RememberingSdk extends PusherSdk {
  sent = [];

  post(options) {
    this.sent.push(options.body);
    return super.post(options);
  }
}

const endpointOf = ({ id }) => ({ channel: `/apps/${id}/auth/channel`, user: `/apps/${id}/auth/user` });

/**
 * A pusher-js that was closed by the server has a timer of 30 seconds left, which would keep the process that long.
 * By now everything has been reported.
 */
function leaveSoon() {
  setTimeout(() => process.exit(), 300).unref();
}

/** A server for all tests of a file. After each test all clients leave, and the server must have no trace of them. */
class Rig {
  #leaving = [];
  #leaked = false;

  constructor(apps, settings) {
    before(async () => {
      this.server = await Server.start(apps, settings);
    });
    afterEach(async () => {
      const leaving = this.#leaving.splice(0);
      await Promise.all(leaving.map((leave) => leave()));
      await this.#nothingIsLeft();
    });
    after(async () => {
      await this.server?.stop();
      leaveSoon();
    });
  }

  /** Fails the first test with leftovers; they would fail all later ones too. */
  async #nothingIsLeft() {
    if (this.server.stopped || this.#leaked) return;
    this.#leaked = true;
    await this.server.settled();
    this.#leaked = false;
  }

  /** A connecting client. */
  client(app, options = {}, { build: Build = nodeBuild, prefix = 'pusher' } = {}) {
    const client = new Client(new Build(app.key, optionsFor(this.server.url, options)), prefix);
    this.#leaving.push(() => client.disconnect());
    return client;
  }

  /** A connected client. */
  connect(app, options, build) {
    return this.client(app, options, build).connected();
  }

  /** A connected client with the server's own auth endpoints. */
  connectWithEndpoint(app, { params, headers, path, build } = {}) {
    return this.connect(app, this.endpoint(app, { params, headers, path }), { build });
  }

  /** Options that lead pusher-js to the authorization endpoints of the server itself. */
  endpoint(app, { params, headers, path = endpointOf(app) } = {}) {
    const at = (path) => ({ endpoint: this.href(path), transport: 'ajax', params, headers });
    return { channelAuthorization: at(path.channel), userAuthentication: at(path.user) };
  }

  /** Has `leave` called after the test. */
  leaves(leave) {
    this.#leaving.push(leave);
  }

  async raw(app, query) {
    const socket = await RawSocket.open(this.server, app, query);
    this.#leaving.push(() => socket.disconnect());
    return socket;
  }

  sdk(app, options = {}) {
    const { hostname: host, port } = this.server.url;
    return new RememberingSdk({ appId: app.id, key: app.key, secret: app.secret, host, port, timeout: 5_000, ...options });
  }

  /** The app's own backend; see `Backend.start`. */
  async backend(app, rules, options) {
    const backend = await Backend.start(this.sdk(app, options), rules);
    this.#leaving.push(() => backend.stop());
    return backend;
  }

  /** A connection to the server that can be cut. */
  async proxy() {
    const proxy = await Proxy.start(this.server.url);
    this.#leaving.push(() => proxy.stop());
    return proxy;
  }

  href(path) {
    return new URL(path, this.server.url).href;
  }

  /** A form POST as pusher-js sends it to an authorization endpoint. */
  async postForm(path, fields, headers = {}) {
    const response = await fetch(this.href(path), { method: 'POST', headers, body: new URLSearchParams(fields) });
    return { status: response.status, body: await response.json() };
  }
}

/** Declares the server of this test file. */
export function serve({ apps, ...settings }) {
  return new Rig(apps, settings);
}

/** Publishes `data` as it is. The SDK itself will not send plaintext to an encrypted channel, its `post` does. */
export function publishPlaintext(sdk, channels, name, data, more = {}) {
  return sdk.post({ path: '/events', body: { name, data, channels: [channels].flat(), ...more } });
}

/** Expects a refusal of the SDK's request and returns the error as its user sees it. */
export async function refusal(request) {
  const error = await request.then(
    () => assert.fail('the request was accepted'),
    (error) => error,
  );
  assert.ok(error instanceof PusherSdk.RequestError, `not an answer of the server: ${error.stack}`);
  assert.ok(error.status, `no answer: ${error.message} ${error.error}`);
  return { status: error.status, ...JSON.parse(error.body) };
}
