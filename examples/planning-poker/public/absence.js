// How long this tab has known nothing of the server. A laptop sleeps, and clocks are set: the longer time counts.

/** `config.awayMs`: after this time the server may have forgotten that the table was closed. */
export function absence({ session, awayMs, now = () => performance.now(), date = () => Date.now() }) {
  // A reload starts the one clock anew; the other one is kept.
  let seen = { now: now(), date: Number(session.get("seen") ?? date()) };
  const isLong = () => Math.max(now() - seen.now, date() - seen.date) > awayMs;

  function met() {
    seen = { now: now(), date: date() };
    session.put("seen", String(seen.date));
  }

  return {
    isLong,
    /** The server has shown the newest table. */
    met,
    /** The stream looks open. After a long sleep it is not, and the page has not noticed yet. */
    tick: () => isLong() || met(),
  };
}
