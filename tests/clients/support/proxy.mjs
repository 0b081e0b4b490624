import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A TCP proxy in front of the server; its connections can be cut, as by a failing network. */
export class Proxy {
  #listener;
  #sockets = new Set();
  #gate = Promise.resolve();
  #open = () => {};

  static async start(target) {
    const proxy = new Proxy();
    proxy.#listener = createServer(async (client) => {
      await proxy.#gate;
      const server = connect(target.port, target.hostname);
      for (const [from, to] of [[client, server], [server, client]]) {
        proxy.#sockets.add(from);
        from.pipe(to);
        from.on('error', () => {});
        from.on('close', () => {
          proxy.#sockets.delete(from);
          to.destroy();
        });
      }
    });
    proxy.#listener.listen(0, '127.0.0.1');
    await once(proxy.#listener, 'listening');
    proxy.port = proxy.#listener.address().port;
    return proxy;
  }

  /** Ends all connections without a close frame. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Cuts all connections; new ones wait until `up`. */
  down() {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
    this.cut();
  }

  up() {
    this.#open();
  }

  async stop() {
    this.cut();
    this.#listener.close();
    await once(this.#listener, 'close');
  }
}
