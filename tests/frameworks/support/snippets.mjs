// The files of a quick start, as a reader would paste them.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const PAGES = join(import.meta.dirname, '../../../docs/frameworks');
const BLOCK = /^```(\w+)\n(.*?)^```$/gms;
/** The first line of a block names its file, in a comment of its language. */
const NAME = /^(?:\/\/|#|<!--) ([\w./[\]-]+\.\w+|[\w./-]*\.env)(?: -->)?\n/;

/** The text below a heading `## HEADING`. */
async function section(page, heading) {
  const text = await readFile(join(PAGES, `${page}.md`), 'utf8');
  const [, rest] = text.split(`\n## ${heading}\n`);
  assert.ok(rest, `${page}.md has no heading ${heading}`);
  return rest.split('\n## ')[0];
}

/** Name and text of each file that a section shows. */
export async function files(page, heading) {
  const found = {};
  for (const [, , text] of (await section(page, heading)).matchAll(BLOCK)) {
    const [, name] = NAME.exec(text) ?? [];
    if (name) found[name] = text;
  }
  assert.notDeepEqual(found, {}, `${page}.md shows no file under ${heading}`);
  return found;
}

/** The first block of a section that contains `part`. */
export async function block(page, heading, part) {
  const [found] = await blocks(page, heading, part);
  assert.ok(found, `${page}.md has no block with ${part} under ${heading}`);
  return found;
}

export async function blocks(page, heading, part) {
  const all = [...(await section(page, heading)).matchAll(BLOCK)].map(([, , text]) => text);
  return all.filter((text) => text.includes(part));
}

/** A folder beside the installed packages, in which the files are written. */
export class Project {
  static async create(contents, ports) {
    const project = new Project();
    project.folder = await mkdtemp(join(import.meta.dirname, '../.project-'));
    project.ports = ports;
    await project.write(contents);
    return project;
  }

  /** Writes files with the ports of the test in place of those on the page. */
  async write(contents) {
    for (const [name, text] of Object.entries(contents)) {
      const file = join(this.folder, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, this.withPorts(text));
    }
  }

  /** Takes a file out, since a generator of projects refuses to overwrite it. */
  async take(name) {
    const text = await readFile(join(this.folder, name), 'utf8');
    await rm(join(this.folder, dirname(name)), { recursive: true });
    return text;
  }

  withPorts(text) {
    return Object.entries(this.ports).reduce((done, [from, to]) => done.replaceAll(from, to), text);
  }

  /** Where a page takes files out of its own `node_modules`. */
  async linkPackages() {
    await symlink(join(import.meta.dirname, '../node_modules'), join(this.folder, 'node_modules'));
  }

  async remove() {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
