// A fake clock: its time passes by calls, and its timers run then.

export function fakeClock() {
  let time = 0;
  const timers = new Set();
  return {
    now: () => time,
    after(ms, run) {
      const timer = { at: time + ms, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    get next() {
      return Math.min(...[...timers].map(({ at }) => at)) - time;
    },
    get count() {
      return timers.size;
    },
    /** Runs what is due, and lets it end. */
    async advance(ms) {
      time += ms;
      for (const timer of [...timers]) if (timer.at <= time && timers.delete(timer)) timer.run();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
