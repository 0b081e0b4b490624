import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Page } from './support/browser.mjs';
import { bundled } from './support/bundle.mjs';
import { Program } from './support/programs.mjs';
import { files } from './support/snippets.mjs';
import { BY_SEALCAST, walks } from './support/walk.mjs';

const next = createRequire(import.meta.url).resolve('next/dist/bin/next');

const ENTRY = `import { createRoot } from 'react-dom/client';
import { createElement } from 'react';
import { Live } from './app/live';
createRoot(document.querySelector('#root')).render(createElement(Live));
`;

async function start(project, port, env) {
  // The second example keeps two files of the first.
  const { 'app/page.jsx': page, 'app/layout.jsx': layout } = await files('next', BY_SEALCAST);
  await project.write({ 'app/page.jsx': page, 'app/layout.jsx': layout, 'entry.jsx': ENTRY });
  const args = [next, 'dev', '--hostname', '127.0.0.1', '--port', String(port)];
  return new Program(process.execPath, args, { cwd: project.folder, env: { ...env, NEXT_TELEMETRY_DISABLED: '1' } });
}

/** Next.js renders the page on the server; its loader does not run in jsdom, so React mounts the component. */
async function open(url, project) {
  const response = await fetch(url);
  assert.equal(response.status, 200);
  assert.match(await response.text(), /<p id="log">waiting<\/p>/);
  return Page.run(await bundled(project, 'entry.jsx'), url, '<!doctype html><div id="root"></div>');
}

walks('next', 3000, start, open);
