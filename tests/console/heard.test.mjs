import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Api } from '../../console/api.js';
import { ageOfScreen, isOld, uptime } from '../../console/heard.js';
import { Page } from '../../console/page.js';

const START = 1_000_000_000;
mock.timers.enable({ apis: ['Date'], now: START });
let fetched;
globalThis.fetch = async () => fetched();
const reply = (status, text) => () => new Response(text, { status });

let host;
beforeEach(() => {
  mock.timers.setTime(START);
  const api = new Api({ value: 'KEY' }, () => {});
  const socket = { state: 'away', heard: START - 60_000, watch: () => ({ stop: () => {} }) };
  host = { api, socket, page: new Page({ socket }, {}), store: { session: {} } };
});
const ask = async (status, text) => {
  fetched = reply(status, text);
  await host.api.get('/stats').catch(() => {});
};
const fail = async () => {
  fetched = () => { throw new TypeError('refused'); };
  await host.api.get('/stats').catch(() => {});
};

test('the age of a screen without a watch counts from the newest answer', async () => {
  assert.equal(ageOfScreen(host), 60);
  await ask(200, '{}');
  mock.timers.tick(4_000);
  assert.equal(ageOfScreen(host), 4);
  host.socket.heard = Date.now() - 1_000;
  assert.equal(ageOfScreen(host), 1);
  await ask(409, '{"error":"No.","code":"no_keys"}');
  assert.equal(ageOfScreen(host), 0);
});

test('the age of watched figures counts from the socket', async () => {
  host.page.watch('series', {}, {});
  await ask(200, '{}');
  assert.equal(ageOfScreen(host), 60);
  assert.equal(isOld(host), true);
});

test('a screen whose requests are answered is not old without the socket', async () => {
  await ask(200, '{}');
  mock.timers.tick(4_000);
  assert.equal(isOld(host), false);
  await fail();
  assert.equal(isOld(host), true);
  await ask(502, '<h1>Bad gateway</h1>');
  assert.equal(isOld(host), true);
  await ask(200, '{}');
  assert.equal(isOld(host), false);
});

test('before any answer there is no age', () => {
  host.socket.heard = 0;
  assert.equal(ageOfScreen(host), undefined);
});

test('the uptime does not go on while the server is away', async () => {
  await ask(200, '{}');
  mock.timers.tick(40_000);
  assert.equal(uptime(host, START / 1000 - 120), 120);
  assert.equal(uptime(host, START / 1000 + 5), 0);
});
