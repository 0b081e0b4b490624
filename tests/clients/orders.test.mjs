// The checks of the tests of clusters find what they look for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkReplay, checkStay, checkTurns, oneOrder } from './support/orders.mjs';

const event = (n, sent, answered) => ({ n, sent, answered });
const accepted = [event('a', 2, 3), event('b', 4, 5), event('c', 6, 7), event('d', 8, 9), event('e', 10, 11)];
const stay = (numbers, more) => ({ client: 'one', channel: 'news', connected: 0, since: 1, until: Infinity, numbers, ...more });

test('a missing and a repeated event are found', () => {
  assert.equal(checkStay(stay(['a', 'b', 'c', 'd', 'e']), [accepted]), 5);
  assert.throws(() => checkStay(stay(['a', 'b', 'd', 'e']), [accepted]), /nothing lost/);
  assert.throws(() => checkStay(stay(['a', 'b', 'c', 'd', 'e', 'c']), [accepted]), /nothing twice/);
  // Two may be under way at the end. Nobody waits for those sent before the subscription, or answered after its end.
  assert.equal(checkStay(stay(['a', 'b', 'c'], { until: 12 }), [accepted]), 3);
  assert.throws(() => checkStay(stay(['a', 'b'], { until: 12 }), [accepted]), /nothing lost/);
  assert.equal(checkStay(stay(['c'], { since: 5, until: 12 }), [accepted]), 1);
});

test('an old event in place of the last one is found', () => {
  const joined = { connected: 8, since: 9 };
  checkReplay(stay(['c', 'd'], joined), [accepted]);
  checkReplay(stay(['d'], joined), [accepted]);
  assert.throws(() => checkReplay(stay(['b', 'c'], joined), [accepted]), /the last event c/);
  assert.throws(() => checkReplay(stay([], joined), [accepted]), /the last event c/);
});

test('an event before one that was answered earlier is found', () => {
  checkTurns(stay(['a', 'unknown', 'b', 'd']), [accepted]);
  assert.throws(() => checkTurns(stay(['b', 'a']), [accepted]), /a behind b/);
  // These two were under way at the same time.
  checkTurns(stay(['y', 'x']), [[event('x', 1, 3)], [event('y', 2, 4)]]);
});

test('two orders are found, also if no two subscribers disagree', () => {
  assert.deepEqual(oneOrder([['a', 'c'], ['a', 'b', 'c']], 'news'), ['a', 'b', 'c']);
  assert.throws(() => oneOrder([['a', 'b'], ['b', 'a']], 'news'), /one order/);
  assert.throws(() => oneOrder([['a', 'b'], ['b', 'c'], ['c', 'a']], 'news'), /one order/);
});
