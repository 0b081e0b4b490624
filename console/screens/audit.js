// Audit log: not written yet.

import { emptyState } from "../parts/states.js";

export function create() {
  return { body: () => emptyState("This screen is not part of this version yet.", "Use the command line: sealcast --help") };
}
