import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

const HALF_HOUR = 30 * 60_000;
const page = new EventTarget();
page.hidden = false;
const all = new EventTarget();
Object.assign(globalThis, { document: page, addEventListener: (...rest) => all.addEventListener(...rest) });
mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
const { Idle } = await import('../../console/idle.js');
const { Page } = await import('../../console/page.js');
const { Resource } = await import('../../console/resource.js');

const sign = (type, values = {}) => {
  const event = Object.assign(new Event(type, { cancelable: true }), values);
  all.dispatchEvent(event);
  return event;
};
const turn = () => new Promise(setImmediate);

let happened;
let idle;
beforeEach(() => {
  page.hidden = false;
  const own = [];
  happened = own;
  idle = new Idle({ paused: () => own.push('paused'), resumed: () => own.push('resumed') });
});

test('a page that is not used for thirty minutes pauses, and goes on at once', () => {
  mock.timers.tick(HALF_HOUR - 5_000);
  assert.deepEqual(happened, []);
  mock.timers.tick(5_000);
  assert.deepEqual([happened, idle.isIdle], [['paused'], true]);
  mock.timers.tick(HALF_HOUR);
  sign('touchstart');
  assert.deepEqual([happened, idle.isIdle], [['paused', 'resumed'], false]);
});

test('keys, pointer and touch put the pause off', () => {
  sign('pointermove', { screenX: 0, screenY: 0 });
  for (const [type, values] of [['keydown', { key: 'Shift' }], ['pointerdown', {}], ['touchstart', {}], ['wheel', {}], ['pointermove', { screenX: 1, screenY: 2 }]]) {
    mock.timers.tick(HALF_HOUR - 10_000);
    sign(type, values);
  }
  page.hidden = true;
  mock.timers.tick(HALF_HOUR - 10_000);
  page.hidden = false;
  page.dispatchEvent(new Event('visibilitychange'));
  mock.timers.tick(HALF_HOUR - 10_000);
  assert.deepEqual(happened, []);
});

test('a resting pointer is no use of the page', () => {
  for (let minute = 0; minute < 31; minute += 1) {
    sign('pointermove', { screenX: 5, screenY: 5 });
    mock.timers.tick(60_000);
  }
  assert.deepEqual(happened, ['paused']);
});

test('the letter that ends the pause opens nothing, and is typed in a field', () => {
  const field = { closest: () => ({}) };
  const press = (values) => {
    mock.timers.tick(HALF_HOUR);
    const event = new Event('keydown', { cancelable: true });
    Object.defineProperties(event, { key: { value: 'r' }, target: { value: values.target ?? {} }, ctrlKey: { value: values.ctrlKey ?? false } });
    all.dispatchEvent(event);
    return event.defaultPrevented;
  };
  assert.deepEqual([press({}), press({ target: field }), press({ ctrlKey: true })], [true, false, false]);
  assert.equal(sign('keydown', { key: 'r' }).defaultPrevented, false);
});

test('nothing is loaded during a pause, and what was due is loaded after it', async () => {
  let isPaused = false;
  let loads = 0;
  const load = async () => { loads += 1; };
  const shown = new Page({ redraw: () => {}, isPaused: () => isPaused }, {});
  shown.resource(load, { every: 10 });
  shown.resource(load);
  await turn();
  mock.timers.tick(10_000);
  await turn();
  assert.equal(loads, 3);
  isPaused = true;
  mock.timers.tick(HALF_HOUR);
  await turn();
  page.dispatchEvent(new Event('visibilitychange'));
  await turn();
  assert.equal(loads, 3);
  isPaused = false;
  shown.resume();
  await turn();
  assert.equal(loads, 4);
  mock.timers.tick(10_000);
  await turn();
  assert.equal(loads, 5);
  shown.stop();
});

test('a page that was hidden during the pause asks for nothing when it is seen', async () => {
  let isPaused = false;
  let loads = 0;
  const value = new Resource(async () => { loads += 1; }, { changed: () => {}, every: 1, isPaused: () => isPaused });
  await turn();
  page.hidden = true;
  mock.timers.tick(1_000);
  isPaused = true;
  page.hidden = false;
  page.dispatchEvent(new Event('visibilitychange'));
  await turn();
  assert.equal(loads, 1);
  value.stop();
});
