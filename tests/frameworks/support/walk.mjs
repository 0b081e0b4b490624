// The way of a reader: both examples of a page, pasted into a fresh project.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Page, publishUntil } from './browser.mjs';
import { Sealcast, freePort } from './programs.mjs';
import { Project, block, blocks, files } from './snippets.mjs';

export const BY_SEALCAST = 'Let Sealcast authorize';
export const BY_BACKEND = 'Authorize in your backend';

/** One server for the tests of a file. */
export function aServer() {
  const held = {};
  before(async () => Object.assign(held, { sealcast: await Sealcast.start() }));
  after(async () => {
    await held.sealcast.stop();
    // After a close by the server, pusher-js has a timer of 30 seconds left.
    setTimeout(() => process.exit(), 300).unref();
  });
  return held;
}

/**
 * Tests both examples of a page. `start(project, port, env)` starts the pasted backend and returns
 * its program; `port` stands where the page has `shownPort`. `open(url, project)` opens the page.
 */
export function walks(page, shownPort, start, open = Page.open) {
  const held = aServer();

  /** The page's commands for the case that it does not work find nothing where it works. */
  async function consult(project, heading) {
    for (const command of await blocks(page, 'It does not work', 'sealcast doctor')) {
      const asksBackend = command.includes('--auth');
      if (asksBackend && heading !== BY_BACKEND) continue;
      const told = await held.sealcast.shell(project.withPorts(command));
      if (!asksBackend) continue;
      assert.match(told, /^\s*13\s+ok\s+auth\b/m, told);
      const [, endpoint] = /--auth (\S+)/.exec(project.withPorts(command));
      const body = new URLSearchParams({ socket_id: '1.1', channel_name: 'private-encrypted-user-2' });
      assert.equal((await fetch(endpoint, { method: 'POST', body })).status, 403, "another user's channel");
    }
  }

  async function walk(heading, env, click, wanted) {
    const port = await freePort();
    const project = await Project.create(await files(page, heading), { 6001: held.sealcast.port, [shownPort]: port });
    let backend, shown;
    try {
      backend = await start(project, port, env);
      const url = `http://127.0.0.1:${port}`;
      await backend.answers(url);
      shown = await open(url, project);
      await publishUntil(() => fetch(url + click, { method: 'POST' }), shown, wanted);
      await consult(project, heading);
    } finally {
      shown?.close();
      await backend?.stop();
      await project.remove();
    }
  }

  test(`${page}: the page shows an event of a backend that only triggers`, () =>
    walk(BY_SEALCAST, {}, '/orders/1/ship', 'order 1 shipped'));

  test(`${page}: the page shows an event of a backend with its own auth route`, async () => {
    const key = await block(page, BY_BACKEND, 'SEALCAST_MASTER_KEY');
    await walk(BY_BACKEND, await held.sealcast.exportedKey(key), '/users/1/greet', 'Hi');
  });
}
