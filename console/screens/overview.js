// Not written yet.
import { skeletonRows } from "../parts/states.js";

export function create() {
  return { body: () => skeletonRows(9) };
}
