import assert from 'node:assert/strict';
import { test } from 'node:test';
import { age, bytes, clock, count, duration, fingerprint, short, visible } from '../../console/format.js';
import { kindOf } from '../../console/kinds.js';
import { Ring } from '../../console/ring.js';
import { codeIn, format, parse } from '../../console/router.js';

test('numbers are short and unknown ones are a dash', () => {
  assert.deepEqual([12_482, undefined, null].map(count), ['12,482', '–', '–']);
  assert.deepEqual([0, 9.84, 376, 4_211, 48_210, 2_500_000].map((it) => short(it).join(' ').trim()), ['0', '9.8', '376', '4,211', '48.2 k', '2.5 M']);
  assert.deepEqual([0, 1_023, 1_258_291].map(bytes), ['0 B', '1023 B', '1.2 MiB']);
  assert.deepEqual([412, 1_800, 2_500_000].map(duration), ['412 µs', '1.8 ms', '2.5 s']);
  assert.deepEqual([12, 240, 7_200, 12 * 86_400].map(age), ['12 s', '4 min', '2 h', '12 days']);
});

test('times are UTC with milliseconds', () => {
  assert.equal(clock('2026-01-31T15:32:31.882+01:00'), '14:32:31.882');
  assert.equal(clock('yesterday'), '–');
});

test('fingerprints stand in groups of four', () => {
  assert.equal(fingerprint('310d0c348ad5'), '310d 0c34 8ad5');
});

test('characters that hide or reorder others are made visible', () => {
  assert.equal(visible('a\u202egnp.exe\n\u0000'), 'a\\u{202e}gnp.exe\\u{a}\\u{0}');
  assert.equal(visible(undefined), '');
});

test('kinds follow the prefix', () => {
  const names = ['private-encrypted-a', 'private-sealed-a', 'private-a', 'presence-a', '#server-to-user-1', 'a'];
  assert.deepEqual(names.map(kindOf), ['encrypted', 'encrypted', 'private', 'presence', 'user', 'public']);
});

test('addresses carry any name there and back', () => {
  for (const name of ['private-a', '<img src=x>', 'a/b?c=d&e#f', '100 %', 'ü\u202e']) {
    assert.deepEqual(parse(format('channels', [name], { prefix: name })), { name: 'channels', path: [name], query: { prefix: name } });
  }
  assert.deepEqual(parse('#/nowhere/%E0%A4%A?x=1'), { name: 'overview', path: ['%E0%A4%A'], query: { x: '1' } });
});

test('a code is a fragment of 22 letters of the alphabet of URLs', () => {
  const code = '7Qm2-x_AbCdEfGhIjKlMn0';
  assert.equal(codeIn(`#${code}`), code);
  for (const other of ['#junk', `#${code}A`, `#/${code.slice(1)}`, `#${code.slice(1)}.`, `#${code}\n`, '#/live', '#', '']) assert.equal(codeIn(other), undefined, other);
});

test('ring keeps the newest', () => {
  const ring = new Ring(3);
  for (let value = 1; value <= 5; value += 1) ring.push(value);
  assert.deepEqual([ring.slice(), ring.slice(1, 2), ring.at(3), ring.length, ring.total], [[5, 4, 3], [4], undefined, 3, 5]);
  ring.clear();
  assert.deepEqual([ring.slice(), ring.length], [[], 0]);
});
