// pusher-js for React Native in Node.js: the one module of the phone that it needs is a stand-in.

import { cp, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import Pusher from 'pusher';
import { transformWithEsbuild } from 'vite';
import { WebSocket } from 'ws';
import { Program, eventually, freePort } from './support/programs.mjs';
import { Project, block, files } from './support/snippets.mjs';
import { BY_BACKEND, BY_SEALCAST, aServer } from './support/walk.mjs';

// A global of phones, and of Node.js 22.
globalThis.WebSocket ??= WebSocket;

const held = aServer();
const NETINFO = 'node_modules/@react-native-community/netinfo/index.js';
const STAND_IN = `exports.fetch = async () => ({ type: 'wifi' });
exports.addEventListener = () => () => {};
`;

async function walk(heading, ports, publish, wanted) {
  const project = await Project.create(await files('mobile', heading), { 6001: held.sealcast.port, ...ports });
  let disconnect;
  try {
    const packages = join(import.meta.dirname, 'node_modules/pusher-js');
    await cp(packages, join(project.folder, 'node_modules/pusher-js'), { recursive: true });
    await project.write({ [NETINFO]: STAND_IN });
    // Like the bundler of React Native: `import` becomes `require`.
    const source = await readFile(join(project.folder, 'live.js'), 'utf8');
    const { code } = await transformWithEsbuild(source, 'live.js', { format: 'cjs' });
    await project.write({ 'live.cjs': code });
    const { listen } = createRequire(import.meta.url)(join(project.folder, 'live.cjs'));
    let shown;
    disconnect = listen((text) => (shown = text), 'token');
    const look = async () => shown === wanted || (await publish(), false);
    await eventually(look, `the app to show ${wanted}`, { detail: () => `it shows ${shown}` });
  } finally {
    disconnect?.();
    await project.remove();
  }
}

test('the app shows an event of a backend that only triggers', () => {
  const sdk = new Pusher({ appId: '1001', key: 'app-key', secret: 'app-secret', host: '127.0.0.1', port: held.sealcast.port });
  return walk(BY_SEALCAST, {}, () => sdk.trigger('private-sealed-orders-1', 'shipped', { id: 1 }), 'order 1 shipped');
});

test('the app shows an event after the route of the page for Node has authorized', async () => {
  const port = await freePort();
  const env = await held.sealcast.exportedKey(await block('node', BY_BACKEND, 'SEALCAST_MASTER_KEY'));
  const project = await Project.create(await files('node', BY_BACKEND), { 6001: held.sealcast.port, 3000: port });
  const backend = new Program(process.execPath, ['server.mjs'], { cwd: project.folder, env });
  try {
    const url = `http://127.0.0.1:${port}/users/1/greet`;
    await backend.answers(`http://127.0.0.1:${port}`);
    await walk(BY_BACKEND, { 3000: port }, () => fetch(url, { method: 'POST' }), 'Hi');
  } finally {
    await backend.stop();
    await project.remove();
  }
});
