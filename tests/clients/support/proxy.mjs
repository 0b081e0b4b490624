import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A TCP proxy in front of the server; its connections can be cut, as by a failing network. */
export class Proxy {
  #listener;
  #sockets = new Set();

  static async start(target) {
    const proxy = new Proxy();
    proxy.#listener = createServer((client) => {
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

  async stop() {
    this.cut();
    this.#listener.close();
    await once(this.#listener, 'close');
  }
}
