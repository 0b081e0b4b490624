import assert from 'node:assert/strict';
import { eventually } from '../../clients/support/wait.mjs';
import { RecipeProxy } from './proxy.mjs';
import { Visitor } from './visitor.mjs';

/** The server's default of `activity_timeout_seconds`, and more. */
const SILENCE_MS = 125_000;

/** Sockets and streams that are silent while the other tests run, through proxies in front of one server. */
export class Silence {
  #rows = new Map();

  async begin(recipes, { app, single }) {
    await Promise.all(Object.entries(recipes).map(async ([name, recipe]) => {
      const row = {};
      this.#rows.set(name, row);
      // A failure is that of this proxy's test alone.
      await this.#beginRow(row, recipe, app, single.port).catch((error) => (row.error = error));
    }));
  }

  async #beginRow(row, recipe, app, port) {
    row.proxy = await RecipeProxy.start(recipe, [port]);
    row.visitor = new Visitor(app, row.proxy.port);
    const answers = () => row.visitor.sdk.get({ path: '/channels' }).then(({ ok }) => ok, () => false);
    await eventually(answers, 'the API', { ms: 20_000 });
    row.socket = row.visitor.silent('silence');
    row.stream = await row.visitor.stream('silence');
    await row.socket.next('pusher_internal:subscription_succeeded');
    row.since = Date.now();
  }

  async check(name) {
    const { error, socket, stream, visitor, since } = this.#rows.get(name);
    if (error) throw error;
    const isOver = () => socket.closed !== undefined || Date.now() - since > SILENCE_MS;
    await eventually(isOver, 'the end of the silence', { ms: SILENCE_MS + 10_000 });
    assert.equal(socket.closed, undefined, `closed after ${Date.now() - since} ms`);
    assert.ok(socket.pings > 0, 'the server has pinged');
    await visitor.trigger('silence', name, 'after the silence');
    await socket.next(name);
    await stream.inbox.next('the event', (text) => text.includes('after the silence'));
  }

  async stop() {
    for (const { proxy, visitor, socket } of this.#rows.values()) {
      socket?.leave();
      await visitor?.leave();
      await proxy?.stop();
    }
  }
}
