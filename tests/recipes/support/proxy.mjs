import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Process, freePort } from './process.mjs';

/** A proxy with its recipe, in front of one server or two. */
export class RecipeProxy {
  static async start(recipe, ports) {
    const proxy = new RecipeProxy();
    await proxy.#start(recipe, ports);
    return proxy;
  }

  #recipe;
  #at;
  #process;

  async #start(recipe, ports) {
    this.#recipe = recipe;
    const folder = await mkdtemp(join(tmpdir(), 'sealcast-recipe-'));
    // Workers of Apache and nginx are other users.
    await chmod(folder, 0o755);
    const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    const run = (command, args) => promisify(execFile)(command, args, { env: { ...process.env, ...env } });
    const rewrite = async (name, change) => {
      const file = join(folder, name);
      await writeFile(file, change(await readFile(file, 'utf8')));
    };
    this.#at = { folder, ports, port: await freePort(), admin: await freePort(), run, rewrite };
    for (const [name, text] of Object.entries(recipe.files(recipe.recipe, this.#at))) {
      await writeFile(join(folder, name), text);
    }
    this.#process = new Process(...recipe.command(this.#at), env);
    await this.#process.listensOn(this.port);
  }

  get port() {
    return this.#at.port;
  }

  get output() {
    return this.#process.output;
  }

  reload() {
    return this.#recipe.reload(this.#process, this.#at);
  }

  async stop() {
    await this.#process?.stop();
    await rm(this.#at.folder, { recursive: true, force: true });
  }
}
