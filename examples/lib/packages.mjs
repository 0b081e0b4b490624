// Packages, with a sentence instead of Node's own words where they are not installed.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export const MISSING = "The packages of the examples are missing. Install them: npm ci --prefix examples";

/** An import would fail before any line of an example has run. */
export function installed(name) {
  try {
    return require(name);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    console.error(MISSING);
    return process.exit(1);
  }
}
