// What each recipe must carry.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../../clients/support/wait.mjs';
import { RecipeProxy } from './proxy.mjs';
import { Servers } from './servers.mjs';
import { Silence } from './silence.mjs';
import { Visitor } from './visitor.mjs';

const RETURN_MS = 25_000;

/** The tests of each recipe, on two nodes with these settings; and of its form for one server. */
export function checkRecipes(recipes, settings) {
  let servers;
  const silence = new Silence();
  before(async () => {
    servers = await Servers.start(settings);
    await silence.begin(recipes, servers);
  }, { timeout: 120_000 });
  after(async () => {
    await silence.stop();
    await servers?.stop();
    // After a close by the server, pusher-js has a timer left.
    setTimeout(() => process.exit(), 1_000).unref();
  });

  for (const [name, recipe] of Object.entries(recipes)) checkRecipe(name, recipe, () => servers);

  for (const name of Object.keys(recipes)) {
    test(`${name}: one server, and silence past the activity timeout`, { timeout: 200_000 }, () => silence.check(name));
  }
}

function checkRecipe(name, recipe, getServers) {
  describe(name, { timeout: 120_000 }, () => {
    let proxy;
    let visitor;
    before(async () => {
      const { app, ports } = getServers();
      proxy = await RecipeProxy.start(recipe, ports);
      visitor = new Visitor(app, proxy.port);
      await eventually(() => visitor.sdk.get({ path: '/channels' }).then(({ ok }) => ok, () => false), 'the API', { ms: 20_000 });
    });
    after(async () => {
      await visitor?.leave();
      await proxy?.stop();
    });

    test('an encrypted event, sealed from a signed trigger', () => encryptedEvent(visitor));
    test('presence', () => presence(visitor));
    test('an event stream', () => eventStream(visitor));
    test('a frame of 10 KiB each way', () => largeFrame(visitor));
    test("the client's own address", () => ownAddress(visitor));
    test('a reload with open sockets', () => reload(visitor, proxy, recipe.reloadCloses));
    test('the drain of a node', async (t) => {
      await drain(visitor, getServers(), recipe.noticesLate).catch((error) => {
        t.diagnostic(proxy.output.slice(-4_000));
        throw error;
      });
    });
  });
}

async function encryptedEvent(visitor) {
  const client = await visitor.connect();
  const room = await client.subscribed('private-encrypted-room');
  await visitor.trigger('private-sealed-room', 'note', { text: 'hello' });
  assert.deepEqual(await room.next('note'), { text: 'hello' });
  await client.disconnect();
}

async function presence(visitor) {
  const [one, two] = [await visitor.connect('ann'), await visitor.connect('ben')];
  const room = await one.subscribed('presence-room');
  await two.subscribed('presence-room');
  assert.equal((await room.next('pusher:member_added')).id, 'ben');
  await two.disconnect();
  assert.equal((await room.next('pusher:member_removed')).id, 'ben');
  await one.disconnect();
}

async function eventStream(visitor) {
  const { status, type, inbox } = await visitor.stream('news');
  assert.deepEqual([status, type.split(';')[0]], [200, 'text/event-stream']);
  await visitor.trigger('news', 'note', 'for the stream');
  await inbox.next('the event', (text) => text.includes('for the stream'));
}

async function largeFrame(visitor) {
  const text = 'x'.repeat(10 * 1024 - 2);
  const [from, to] = [await visitor.connect(), await visitor.connect()];
  const rooms = [await from.subscribed('private-large'), await to.subscribed('private-large')];
  await visitor.trigger('private-large', 'from-backend', text);
  for (const room of rooms) assert.equal(await room.next('from-backend'), text);
  rooms[0].trigger('client-large', text);
  assert.equal(await rooms[1].next('client-large'), text);
  await Promise.all([from.disconnect(), to.disconnect()]);
}

async function ownAddress(visitor) {
  const caller = await visitor.getFrom('127.0.0.9', `/apps/${visitor.app.id}/caller`);
  assert.equal(caller.address, '127.0.0.9', JSON.stringify(caller));
}

async function reload(visitor, proxy, reloadCloses = false) {
  const client = await visitor.connect();
  const room = await client.subscribed('reloaded');
  const before = client.socketId;
  await proxy.reload();
  const isDecided = () => client.state === 'connected' && (client.socketId !== before) === reloadCloses;
  await eventually(isDecided, `the socket to ${reloadCloses ? 'return' : 'stay'}`, { ms: RETURN_MS });
  if (reloadCloses) await room.succeeded();
  const newcomer = await visitor.connect();
  await newcomer.subscribed('reloaded');
  await visitor.trigger('reloaded', 'note', 'after the reload');
  assert.equal(await room.next('note'), 'after the reload');
  assert.equal(client.socketId === before, !reloadCloses);
  await Promise.all([client.disconnect(), newcomer.disconnect()]);
}

/** A proxy that `noticesLate` sends some requests to the ended node until its next check. */
async function drain(visitor, servers, noticesLate = false) {
  const client = await visitor.connect();
  const room = await client.subscribed('drained');
  const before = client.socketId;
  const node = await servers.nodeOf(client.socketId);
  try {
    await node.drain();
    await eventually(() => client.state === 'connected' && client.socketId !== before, 'the return', { ms: RETURN_MS });
    await room.succeeded();
    const trigger = () => visitor.trigger('drained', 'note', 'from the other node');
    if (noticesLate) await eventually(() => trigger().then(() => true, () => false), 'an accepted event');
    else await trigger();
    assert.equal(await room.next('note'), 'from the other node');
  } finally {
    await client.disconnect();
    await node.run();
  }
}
