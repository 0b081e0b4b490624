import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineOf, wayOf } from '../../console/screens/live/entries.js';
import { Feed } from '../../console/screens/live/feed.js';
import { Filter } from '../../console/screens/live/filter.js';
import { pattern } from '../../console/screens/live/pattern.js';

const event = (number, more = {}) => ({ time: `2026-01-31T12:00:${String(number % 60).padStart(2, '0')}.000Z`, type: 'event', app: 'shop', channel: 'ticker', name: `price-${number}`, bytes: 88, subscribers: 2, ...more });
const call = { time: '2026-01-31T12:00:00.000Z', type: 'api_call', method: 'POST', route: '/apps/{app}/events', status: 200 };
const namesOf = (feed) => feed.slice(0, 5).map((entry) => entry.name);

test('successful calls are hidden unless asked for', () => {
  const refused = { ...call, status: 413, code: 'event_too_large' };
  assert.deepEqual([call, refused].map((entry) => new Filter().matches(entry)), [false, true]);
  assert.deepEqual([call, refused].map((entry) => new Filter({ hide: 'none' }).matches(entry)), [true, true]);
});

test('channel and type take patterns and lists', () => {
  const matches = (query, entry) => new Filter(query).matches(entry);
  assert.ok(matches({ channel: 'private-*' }, event(1, { channel: 'private-a.b' })));
  assert.ok(!matches({ channel: 'private-a.b' }, event(1, { channel: 'private-aXb' })));
  assert.ok(matches({ type: 'auth_*,event' }, event(1)));
  assert.ok(!matches({ type: 'auth_*' }, event(1)));
  assert.ok(matches({ channel: 'b', hide: 'none' }, { ...call, channels: ['a', 'b'] }));
});

test('a pattern of many stars takes no longer than its length times the name\'s', () => {
  const name = 'a'.repeat(180);
  const filter = new Filter({ channel: `${'a*'.repeat(40)}b`, hide: 'none' });
  const begin = performance.now();
  for (let entry = 0; entry < 5_000; entry += 1) assert.ok(!filter.matches(event(1, { channel: name })));
  assert.ok(performance.now() - begin < 2_000);
});

test('stars match any run, and all other characters themselves', () => {
  const cases = [['*', ''], ['private-*', 'private-'], ['a*b*c', 'axxbyybzc'], ['**x', 'aax'], ['a.b', 'a.b'], ['x,a*\n*', 'a\u{1f600}\n']];
  for (const [wanted, text] of cases) assert.ok(pattern(wanted)(text), `${wanted} ${text}`);
  for (const [wanted, text] of [['private-*', 'privat'], ['a*b*c', 'axxbyybz'], ['exact', 'exactly'], ['a.b', 'aXb'], ['', 'a']]) assert.ok(!pattern(wanted)(text), `${wanted} ${text}`);
});

test('typed text becomes the chip that it means', () => {
  const chipOf = (text) => {
    const filter = new Filter();
    filter.type(text);
    filter.commit();
    return filter.chips.map(({ name, value }) => `${name} ${value}`).join();
  };
  assert.equal(chipOf('code:token_expired'), 'code token_expired');
  assert.equal(chipOf('123.456'), 'socket 123.456');
  assert.equal(chipOf('event,refused'), 'type event,refused');
  assert.equal(chipOf('presence-floor'), 'channel presence-floor*');
  assert.equal(chipOf('u-2291'), 'text u-2291');
  assert.equal(chipOf('  '), '');
});

test('server gets only the filters that it knows', () => {
  const filter = new Filter({ channel: 'a', user: 'u', code: 'c' });
  assert.equal(filter.toServer('shop'), 'app=shop&channel=a');
  assert.deepEqual(new Filter(filter.toQuery()).chips, filter.chips);
});

test('feed keeps the newest entries within its bound', () => {
  const feed = new Feed(new Filter());
  for (let batch = 0; batch < 60; batch += 1) feed.take({ entries: Array.from({ length: 100 }, (_, at) => event(batch, { name: `${batch}-${at}` })) });
  assert.equal(feed.length, 5_000);
  assert.equal(feed.at(0).name, '59-99');
  assert.equal(feed.at(4_999).name, '10-0');
});

test('a held list stands still and counts what is new', () => {
  const feed = new Feed(new Filter());
  feed.take({ entries: [event(1), event(2)] });
  feed.hold();
  feed.take({ entries: [event(3), call] });
  assert.deepEqual([namesOf(feed), feed.fresh], [['price-2', 'price-1'], 1]);
  feed.follow();
  assert.deepEqual([namesOf(feed), feed.fresh], [['price-3', 'price-2', 'price-1'], 0]);
});

test('entries of a batch are put in order of time', () => {
  const feed = new Feed(new Filter());
  feed.take({ entries: [event(9, { name: 'late' }), event(3, { name: 'early' })] });
  assert.deepEqual(namesOf(feed), ['late', 'early']);
});

test('unseen matches are counted by the second', () => {
  const feed = new Feed(new Filter());
  feed.take({ more: 200 });
  feed.take({ more: 212 });
  assert.equal(feed.more, 0);
  feed.take({ counts: { at: 1, events: 500, access: 3, calls: 0, refused: 1 } });
  assert.deepEqual([feed.more, feed.rate()], [412, 504]);
});

test('an unknown type of entry is shown with its fields', () => {
  const line = lineOf({ time: 'x', type: 'line_torn', bytes: 3, kept_in: 'a.part' });
  assert.deepEqual([line.title, line.text], ['Line torn', 'bytes 3 · kept_in a.part']);
});

test('the way of an event is read from key and envelope', () => {
  const envelope = { nonce: 'n', ciphertext: 'c' };
  assert.deepEqual([{ envelope, key: 'k' }, { envelope }, {}].map(wayOf), ['sealed', 'relayed', 'clear']);
});
