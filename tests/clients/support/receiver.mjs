import { once } from 'node:events';
import { createServer } from 'node:http';
import { Inbox } from './inbox.mjs';

/** A backend that receives webhooks: keeps headers and body of each unchanged. */
export class Receiver {
  #listener;
  hooks = new Inbox('the receiver');

  static async start() {
    const receiver = new Receiver();
    receiver.#listener = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      receiver.hooks.put({ headers: request.headers, rawBody: Buffer.concat(chunks).toString() });
      response.end();
    });
    receiver.#listener.listen(0, '127.0.0.1');
    await once(receiver.#listener, 'listening');
    receiver.url = `http://127.0.0.1:${receiver.#listener.address().port}/hooks`;
    return receiver;
  }

  async stop() {
    this.#listener.closeAllConnections();
    this.#listener.close();
    await once(this.#listener, 'close');
  }
}
