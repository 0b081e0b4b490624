import { request } from 'node:http';
import { eventually } from './wait.mjs';

/** The admin API on the Unix socket of a server's state directory. */
export class Admin {
  constructor(socketPath) {
    this.socketPath = socketPath;
  }

  call(method, path, body) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.socketPath, method, path, headers, timeout: 10_000 }, async (response) => {
        let answer = '';
        for await (const chunk of response) answer += chunk;
        resolve({ status: response.statusCode, body: JSON.parse(answer) });
      });
      asked.on('error', reject);
      asked.on('timeout', () => asked.destroy(new Error(`no answer to ${method} ${path}`)));
      asked.end(text);
    });
  }

  async #granted(method, path, body) {
    const { status, body: answer } = await this.call(method, path, body);
    if (status !== 200) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answer)}`);
    return answer;
  }

  /** `{ keys, rotation }` of the app. */
  keys(app) {
    return this.#granted('GET', `/admin/apps/${app.id}/keys`);
  }

  /** Rotates to `key`, base64 of 32 bytes, or to one that the server makes. */
  rotate(app, asked = {}) {
    return this.#granted('POST', `/admin/apps/${app.id}/keys/rotate`, asked);
  }

  revoke(app, id) {
    return this.#granted('POST', `/admin/apps/${app.id}/keys/${id}/revoke`, {});
  }

  /** Waits until every subscription has moved to the active key; returns the last look. */
  async moved(app, ms = 30_000) {
    let keys;
    const isOver = async () => {
      keys = await this.keys(app);
      return keys.rotation.remaining === 0;
    };
    await eventually(isOver, 'everybody to move', { ms, detail: () => `: ${JSON.stringify(keys)}` });
    return keys;
  }
}
