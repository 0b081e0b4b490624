// The guarantees of a key rotation, and their measurement (encryption.md 4).

/** The longest wait of a nudge for an event, in milliseconds. */
const QUIET_MS = 100;
/** The longest lateness of clients that is tolerated. */
const MOST_LATE_MS = 400;

/**
 * Turns are given evenly, but a nudge waits for an event, and clients take their time to read it: what they ask in one second
 * may have been granted in one second, those milliseconds, and as many as the clients were late.
 */
function peakAllowed(turnsPerSecond, lateMs) {
  return (turnsPerSecond * (1_000 + QUIET_MS + Math.min(lateMs, MOST_LATE_MS))) / 1_000;
}

export const REAUTHORIZATIONS = 1.05;

/** The largest number of these moments (milliseconds) within one second. */
export function peakPerSecond(moments) {
  const sorted = moments.toSorted((a, b) => a - b);
  let [most, first] = [0, 0];
  sorted.forEach((at, last) => {
    while (at - sorted[first] >= 1000) first += 1;
    most = Math.max(most, last - first + 1);
  });
  return most;
}

/**
 * Rows of what was promised: name, what was measured, the least and the most it may be. `places` are pairs of client and channel;
 * `outcome` says how many messages are missing and which of the last ones opened with which keys.
 */
export function promises(reports, { places, rotations, outcome }) {
  const all = (name) => reports.flatMap((report) => report[name]);
  const sum = (name) => reports.reduce((total, report) => total + report[name], 0);
  const asked = all('asked');
  return [
    ['messages lost', outcome.missing, 0, 0],
    ['messages out of order or twice', sum('disorder'), 0, 0],
    ['disconnections and other changes of state', all('states').length, 0, 0],
    ['re-authorizations per socket, channel and rotation', asked.length / (places * rotations), 1, REAUTHORIZATIONS],
    ['last messages that an old key opens', outcome.openWithOld, 0, 0],
    ['last messages that the new key opens', outcome.openWithNew, places, places],
  ];
}

/** The row about the pace. It needs a machine with time to spare: messages were `lateMs` late at most. */
export function pace(reports, { turnsPerSecond, lateMs }) {
  const moments = reports.flatMap(({ asked }) => asked.map(({ at }) => at));
  return ['most re-authorizations in one second', peakPerSecond(moments), 0, peakAllowed(turnsPerSecond, lateMs)];
}

export const isKept = ([, measured, least, most]) => measured >= least && measured <= most;
