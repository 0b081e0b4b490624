import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';

const parsed = (text) => {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
};

/** A proxy of WebSocket frames in front of the server, which can be cut, and changes what the server sends. */
export class FrameProxy {
  #listener;
  #pairs = new Set();
  #gate = Promise.resolve();
  #open = () => {};
  /** All frames of the clients, parsed. */
  asked = [];
  /** The texts to send in place of a text of the server. */
  change = (frame, text) => [text];

  static async start({ host }) {
    const proxy = new FrameProxy();
    proxy.#listener = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    proxy.#listener.on('connection', (client, { url }) => proxy.#join(client, `ws://${host}${url}`));
    await once(proxy.#listener, 'listening');
    proxy.port = proxy.#listener.address().port;
    return proxy;
  }

  async #join(client, url) {
    const pair = { client };
    this.#pairs.add(pair);
    client.on('error', () => {});
    client.on('close', () => {
      this.#pairs.delete(pair);
      pair.server?.terminate();
    });
    await this.#gate;
    if (!this.#pairs.has(pair)) return;
    pair.server = new WebSocket(url);
    pair.server.on('error', () => {});
    pair.server.on('close', (code) => (code > 1006 ? client.close(code) : client.terminate()));
    pair.server.on('message', (data) => {
      const text = data.toString();
      this.change(parsed(text), text).forEach((changed) => client.send(changed));
    });
    client.on('message', (data) => {
      this.asked.push(parsed(data.toString()));
      pair.server.send(data.toString());
    });
  }

  /** Sends a text to all clients. */
  say(text) {
    for (const { client } of this.#pairs) client.send(text);
  }

  /** Cuts all connections; new ones wait until `up`. */
  down() {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
    for (const { client } of this.#pairs) client.terminate();
  }

  up() {
    this.#open();
  }

  async stop() {
    this.up();
    for (const { client } of this.#pairs) client.terminate();
    this.#listener.close();
    await once(this.#listener, 'close');
  }
}
