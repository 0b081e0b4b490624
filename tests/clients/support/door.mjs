import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A balancer asks each server that often if it is ready. */
const PROBE_MS = 250;

/**
 * A round-robin balancer of TCP connections: each goes to the next server that says it is ready. A server that accepts no connection is
 * passed over.
 */
export class Door {
  #listener;
  #servers;
  #probes = [];
  #sockets = new Set();
  #turn = 0;
  #unready = new Set();

  static async start(servers) {
    const door = new Door();
    door.#servers = servers;
    door.#probes = servers.map((server) => setInterval(() => door.#probe(server), PROBE_MS));
    door.#listener = createServer({ pauseOnConnect: true }, (client) => door.#pass(client));
    door.#listener.listen(0, '127.0.0.1');
    await once(door.#listener, 'listening');
    door.url = new URL(`http://127.0.0.1:${door.#listener.address().port}`);
    return door;
  }

  async #probe(server) {
    if (await server.isReady()) this.#unready.delete(server);
    else this.#unready.add(server);
  }

  /** The servers as this connection tries them: in turn, and the unready ones last. */
  #inTurn() {
    const at = this.#turn % this.#servers.length;
    this.#turn += 1;
    const order = [...this.#servers.slice(at), ...this.#servers.slice(0, at)];
    return order.sort((a, b) => this.#unready.has(a) - this.#unready.has(b));
  }

  async #pass(client) {
    this.#keep(client);
    for (const { url } of this.#inTurn()) {
      const server = connect(url.port, url.hostname);
      this.#keep(server);
      const isOpen = await once(server, 'connect').then(() => true, () => false);
      if (client.destroyed) return server.destroy();
      if (isOpen) return join(client, server);
    }
    client.destroy();
  }

  #keep(socket) {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }

  async stop() {
    this.#probes.forEach(clearInterval);
    this.#sockets.forEach((socket) => socket.destroy());
    this.#listener.close();
    await once(this.#listener, 'close');
  }
}

function join(client, server) {
  client.setNoDelay();
  server.setNoDelay();
  client.pipe(server).pipe(client);
  client.on('close', () => server.destroy());
  server.on('close', () => client.destroy());
}
