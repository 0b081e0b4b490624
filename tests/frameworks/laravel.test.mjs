// Echo's part of the page, with a stand-in for Laravel: what its driver sends, and its auth route.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import Pusher from 'pusher';
import { loadConfigFromFile } from 'vite';
import { Page, publishUntil } from './support/browser.mjs';
import { bundled } from './support/bundle.mjs';
import { Project, block, files } from './support/snippets.mjs';
import { BY_SEALCAST, aServer } from './support/walk.mjs';

const held = aServer();
const BY_LARAVEL = 'Authorize in Laravel';
const HTML = '<!doctype html><meta name="csrf-token" content="the-token"><p id="log">waiting</p>';

/** Laravel's driver of the `.env` above, as the same request of another SDK. */
const sdk = (options) =>
  new Pusher({ appId: '1001', key: 'app-key', secret: 'app-secret', host: '127.0.0.1', port: held.sealcast.port, ...options });

async function walk(heading, url) {
  const shown = { ...(await files('laravel', 'Install')), ...(await files('laravel', BY_SEALCAST)), ...(await files('laravel', heading)) };
  const project = await Project.create(shown, { 6001: held.sealcast.port });
  let page;
  try {
    const { config } = await loadConfigFromFile({ command: 'build', mode: 'production' }, join(project.folder, 'vite.config.js'));
    page = await Page.run(await bundled(project, 'resources/js/app.js', { resolve: config.resolve }), url, HTML);
    const publish = () => sdk().trigger('private-sealed-orders.1', 'App\\Events\\OrderShipped', { id: 1 });
    await publishUntil(publish, page, 'order 1 shipped');
  } finally {
    page?.close();
    await project.remove();
  }
}

test('Echo shows an event that Laravel only triggers', () => walk(BY_SEALCAST, 'http://127.0.0.1:8000'));

test("Echo shows an event after Laravel's own route has authorized", async () => {
  const line = await block('laravel', BY_LARAVEL, 'SEALCAST_MASTER_KEY');
  const { SEALCAST_MASTER_KEY: encryptionMasterKeyBase64 } = await held.sealcast.exportedKey(line);
  const seen = [];
  const laravel = createServer(async (request, response) => {
    seen.push([request.method, request.url, request.headers['x-csrf-token']].join(' '));
    const form = new URLSearchParams((await request.toArray()).join(''));
    const answer = sdk({ encryptionMasterKeyBase64 }).authorizeChannel(form.get('socket_id'), form.get('channel_name'));
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(laravel, 'listening');
  try {
    await walk(BY_LARAVEL, `http://127.0.0.1:${laravel.address().port}`);
    assert.deepEqual(new Set(seen), new Set(['POST /broadcasting/auth the-token']));
  } finally {
    laravel.closeAllConnections();
    laravel.close();
  }
});
