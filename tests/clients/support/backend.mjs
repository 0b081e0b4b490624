import { once } from 'node:events';
import { createServer } from 'node:http';

const REFUSED = Symbol('refused');

/** The result of a backend's rule for a refusal. */
export const refuse = () => REFUSED;

const letIn = () => undefined;

async function form(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return Object.fromEntries(new URLSearchParams(body));
}

/**
 * An application's backend: answers pusher-js by the official server SDK.
 * `channels(fields)` returns the presence data (or nothing), `users(fields)` the user; either may `refuse()`.
 */
export class Backend {
  #listener;
  /** Fields of every request so far. */
  requests = [];

  static async start(sdk, { channels = letIn, users = refuse } = {}) {
    const backend = new Backend();
    const answers = {
      '/pusher/auth': (fields, decision) => sdk.authorizeChannel(fields.socket_id, fields.channel_name, decision),
      '/pusher/user-auth': (fields, decision) => sdk.authenticateUser(fields.socket_id, decision),
    };
    const rules = { '/pusher/auth': channels, '/pusher/user-auth': users };
    backend.#listener = createServer(async (request, response) => {
      const fields = await form(request);
      backend.requests.push(fields);
      const decision = rules[request.url](fields);
      response.statusCode = decision === REFUSED ? 403 : 200;
      response.setHeader('content-type', 'application/json');
      response.end(decision === REFUSED ? '{}' : JSON.stringify(answers[request.url](fields, decision)));
    });
    backend.#listener.listen(0, '127.0.0.1');
    await once(backend.#listener, 'listening');
    backend.url = `http://127.0.0.1:${backend.#listener.address().port}`;
    return backend;
  }

  /** Options that make pusher-js ask this backend. `params` go with every request. */
  options(params = {}) {
    return {
      channelAuthorization: { endpoint: `${this.url}/pusher/auth`, transport: 'ajax', params },
      userAuthentication: { endpoint: `${this.url}/pusher/user-auth`, transport: 'ajax', params },
    };
  }

  async stop() {
    this.#listener.closeAllConnections();
    this.#listener.close();
    await once(this.#listener, 'close');
  }
}
