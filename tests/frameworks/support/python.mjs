// Python with the pinned packages, and the file that a page downloads.

import { execFile } from 'node:child_process';
import { appendFile, copyFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';

const require = createRequire(import.meta.url);
const BIN = join(import.meta.dirname, '../.venv/bin');

export const python = join(BIN, 'python');

export const run = (project, args) => promisify(execFile)(python, args, { cwd: project.folder });

export const append = (project, name, text) => appendFile(join(project.folder, name), `\n${text}`);

/** In place of the page's `curl`: the same file out of the same version of the package. */
export async function downloadClient(project) {
  await mkdir(join(project.folder, 'static'), { recursive: true });
  const file = require.resolve('pusher-js/dist/web/pusher-with-encryption.min.js');
  await copyFile(file, join(project.folder, 'static/pusher.js'));
}
