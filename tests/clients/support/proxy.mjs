import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A TCP proxy in front of the server; its connections can be cut, as by a failing network. */
export class Proxy {
  #listener;
  #sockets = new Set();
  #gate = Promise.resolve();
  #open = () => {};
  #cutWithin;

  static async start(target) {
    const proxy = new Proxy();
    proxy.#listener = createServer(async (client) => {
      await proxy.#gate;
      const server = connect(target.port, target.hostname);
      for (const [from, to] of [[client, server], [server, client]]) {
        proxy.#sockets.add(from);
        from.on('error', () => {});
        from.on('close', () => {
          proxy.#sockets.delete(from);
          to.destroy();
        });
      }
      client.pipe(server);
      server.on('data', (chunk) => proxy.#pass(chunk, server, client));
    });
    proxy.#listener.listen(0, '127.0.0.1');
    await once(proxy.#listener, 'listening');
    proxy.port = proxy.#listener.address().port;
    return proxy;
  }

  #pass(chunk, server, client) {
    const share = this.#cutWithin;
    const isUpgrade = chunk.subarray(0, 5).equals(Buffer.from('HTTP/'));
    if (share === undefined || isUpgrade) return client.write(chunk);
    this.#cutWithin = undefined;
    server.pause();
    client.write(chunk.subarray(0, Math.floor(share * chunk.length)), () => client.destroy());
  }

  /**
   * Passes this share of the server's next bytes on, and ends their connection. Not within the answer to an upgrade:
   * pusher-js does not try again after that.
   */
  cutWithin(share) {
    this.#cutWithin = share;
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
