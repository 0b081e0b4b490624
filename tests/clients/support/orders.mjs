// What subscribers of several nodes must have seen of numbered events.

import assert from 'node:assert/strict';

/**
 * What a publisher may have had accepted between the moment in which a node decides that a socket goes and that in which the client
 * reads it: the request under way then, and the next, whose answer may be read in the same turn of this process's loop as the close
 * frame.
 */
const IN_FLIGHT = 2;

/**
 * Numbers of accepted events that a stay must have: those sent when the client knew that it was subscribed, and whose 200 was there
 * before it knew of the end, but for what was under way at the end.
 */
export function due(accepted, { since, until }) {
  const whole = accepted.filter(({ sent, answered }) => sent > since && answered < until).map(({ n }) => n);
  return until === Infinity ? whole : whole.slice(0, -IN_FLIGHT);
}

/** Each due event arrived, and none twice. Returns the number of due ones. */
export function checkStay(stay, lists) {
  const where = `${stay.client} on ${stay.channel}`;
  const seen = new Set(stay.numbers);
  assert.equal(seen.size, stay.numbers.length, `nothing twice, ${where}: ${stay.numbers}`);
  const wanted = lists.flatMap((accepted) => due(accepted, stay));
  const missing = wanted.filter((n) => !seen.has(n));
  assert.deepEqual(missing, [], `nothing lost, ${where}: ${JSON.stringify(stay)}`);
  return wanted.length;
}

/** The first event on a cache channel is not older than the last one accepted before the connection. */
export function checkReplay(stay, lists) {
  const before = lists.flat().filter(({ answered }) => answered < stay.connected);
  if (before.length === 0) return;
  const newest = before.reduce((one, other) => (other.answered > one.answered ? other : one));
  const first = lists.flat().find(({ n }) => n === stay.numbers[0]);
  const where = `${stay.client} on ${stay.channel}`;
  // An event whose request failed may have been accepted.
  if (stay.numbers.length > 0 && first === undefined) return;
  assert.ok(first && first.answered >= newest.sent, `the last event ${newest.n} or a newer one, ${where}: ${stay.numbers[0]}`);
}

/** An event that was sent after the 200 of another comes behind it. */
export function checkTurns(stay, lists) {
  const known = new Map(lists.flat().map((event) => [event.n, event]));
  let latest = { sent: 0 };
  for (const event of stay.numbers.map((n) => known.get(n)).filter(Boolean)) {
    assert.ok(event.answered > latest.sent, `${event.n} behind ${latest.n}, ${stay.client} on ${stay.channel}`);
    if (event.sent > latest.sent) latest = event;
  }
}

/** There is one order of all events in which each of these sequences has its own. Returns it. */
export function oneOrder(sequences, what) {
  const behind = new Map();
  const before = new Map();
  for (const sequence of sequences) {
    sequence.forEach((n, i) => {
      if (!behind.has(n)) behind.set(n, new Set());
      if (!before.has(n)) before.set(n, 0);
      if (i === 0 || behind.get(sequence[i - 1]).has(n)) return;
      behind.get(sequence[i - 1]).add(n);
      before.set(n, before.get(n) + 1);
    });
  }
  const ready = [...before.keys()].filter((n) => before.get(n) === 0);
  const order = [];
  for (let n = ready.pop(); n !== undefined; n = ready.pop()) {
    order.push(n);
    for (const next of behind.get(n)) {
      before.set(next, before.get(next) - 1);
      if (before.get(next) === 0) ready.push(next);
    }
  }
  const contested = [...before.keys()].filter((n) => before.get(n) > 0);
  assert.deepEqual(contested, [], `one order for everybody on ${what}`);
  return order;
}
