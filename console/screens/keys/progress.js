// How fast subscriptions move, from the answers of the last seconds.

import { unix } from "../../format.js";

const MAX_SAMPLES = 120;
/** The pace is that of the last seconds. */
const PACE_SAMPLES = 10;
/** Without a move for so long, those behind do not move by themselves. */
const STUCK_SECONDS = 20;

/** The grace key that most subscriptions still have; without any, the newest. */
export const graceOf = (keys) =>
  keys.filter((key) => key.state === "grace").sort((one, other) => other.subscriptions - one.subscriptions || unix(other.since) - unix(one.since))[0];

export class Progress {
  isRunning = false;
  #samples = [];
  #lastMove = 0;

  note({ rotation }) {
    if (rotation.in_progress && !this.isRunning) this.#samples = [];
    this.isRunning = rotation.in_progress;
    const before = this.#samples.at(-1);
    if (!before || before.remaining !== rotation.remaining) this.#lastMove = Date.now();
    this.#samples.push({ at: Date.now(), remaining: rotation.remaining });
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /** Subscriptions that moved in a second. */
  pace() {
    const last = this.#samples.slice(-PACE_SAMPLES);
    const seconds = (last.at(-1)?.at - last[0]?.at) / 1000;
    return seconds > 0 ? Math.max(0, (last[0].remaining - last.at(-1).remaining) / seconds) : undefined;
  }

  curve() {
    return this.#samples.map(({ remaining }) => -remaining);
  }

  isStuck() {
    return this.isRunning && Date.now() - this.#lastMove > STUCK_SECONDS * 1000;
  }
}
