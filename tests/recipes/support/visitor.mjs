// Clients and a backend on the public side of a proxy, over TLS.

import https from 'node:https';
import PusherSdk from 'pusher';
import Pusher from 'pusher-js';
import { WebSocket } from 'ws';
import { Client } from '../../clients/support/client.mjs';
import { Inbox } from '../../clients/support/inbox.mjs';

export class Visitor {
  #clients = [];
  #requests = [];

  constructor(app, port) {
    this.app = app;
    this.port = port;
    const { id: appId, key, secret } = app;
    this.sdk = new PusherSdk({ appId, key, secret, host: 'localhost', port: String(port), useTLS: true, timeout: 10_000 });
  }

  /** An unmodified pusher-js. */
  async connect(user) {
    const params = user ? { user_id: user } : {};
    const pusher = new Pusher(this.app.key, {
      cluster: '',
      wsHost: 'localhost',
      wssPort: this.port,
      forceTLS: true,
      enabledTransports: ['ws'],
      channelAuthorization: { endpoint: `https://localhost:${this.port}/apps/${this.app.id}/auth/channel`, params },
    });
    const client = new Client(pusher);
    this.#clients.push(client);
    return client.connected();
  }

  trigger(channel, event, data) {
    return this.sdk.trigger(channel, event, data);
  }

  /** The answer to a signed GET from another address of this machine, with a forwarded header of its own. */
  async getFrom(localAddress, path) {
    const query = this.sdk.createSignedQueryString({ method: 'GET', path, params: {} });
    const headers = { 'X-Forwarded-For': '198.51.100.7' };
    const options = { host: '127.0.0.1', servername: 'localhost', port: this.port, path: `${path}?${query}`, localAddress };
    const text = await new Promise((resolve, reject) => {
      const request = https.get({ ...options, agent: false, headers: { Host: `localhost:${this.port}`, ...headers } });
      request.on('error', reject);
      request.on('response', async (answer) => resolve((await answer.setEncoding('utf8').toArray()).join('')));
    });
    return JSON.parse(text);
  }

  /** An event stream of one channel. */
  async stream(channel) {
    const inbox = new Inbox(`the stream of ${channel}`);
    const path = `/app/${this.app.key}/sse?channel=${channel}`;
    const request = https.get({ host: 'localhost', port: this.port, path, agent: false });
    this.#requests.push(request);
    const answer = await new Promise((resolve, reject) => request.on('response', resolve).on('error', reject));
    request.on('error', () => {});
    answer.on('error', () => {});
    answer.setEncoding('utf8').on('data', (text) => inbox.put(text));
    return { status: answer.statusCode, type: answer.headers['content-type'], inbox };
  }

  /** A socket that only answers, and sends nothing by itself. */
  silent(channel) {
    return new SilentSocket(`wss://localhost:${this.port}/app/${this.app.key}?protocol=7`, channel);
  }

  async leave() {
    for (const request of this.#requests) request.destroy();
    await Promise.all(this.#clients.map((client) => client.disconnect()));
  }
}

class SilentSocket {
  inbox = new Inbox('a silent socket');
  pings = 0;
  closed = undefined;

  constructor(url, channel) {
    this.socket = new WebSocket(url);
    this.socket.on('error', (error) => (this.closed = error.message));
    this.socket.on('close', (code) => (this.closed = code));
    // Unmodified clients do not see them: `ws` answers by itself, as browsers do.
    this.socket.on('ping', () => (this.pings += 1));
    this.socket.on('message', (text) => this.#read(JSON.parse(text), channel));
  }

  #read(message, channel) {
    if (message.event === 'pusher:connection_established') this.#send('pusher:subscribe', { channel });
    this.inbox.put(message);
  }

  #send(event, data) {
    this.socket.send(JSON.stringify({ event, data }));
  }

  next(event) {
    return this.inbox.next(event, (message) => message.event === event);
  }

  leave() {
    this.socket.terminate();
  }
}
