// A page's script, built by Vite from the files of a project.

import { join } from 'node:path';
import { build } from 'vite';

/** The script of one entry file, for a classic `script` element. */
export async function bundled(project, entry, options = {}) {
  const { output } = await build({
    root: project.folder,
    logLevel: 'error',
    configFile: false,
    esbuild: { jsx: 'automatic' },
    define: { 'process.env.NODE_ENV': '"development"' },
    build: {
      write: false,
      minify: false,
      rollupOptions: { input: join(project.folder, entry), output: { format: 'iife', name: 'page' } },
    },
    ...options,
  });
  return output[0].code;
}
