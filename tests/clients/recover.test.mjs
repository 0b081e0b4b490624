import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recover } from '../../examples/lib/recover.js';
import { aSealingApp } from './support/app.mjs';
import { nodeBuild } from './support/builds.mjs';
import { publishPlaintext, serve } from './support/rig.mjs';
import { eventually } from './support/wait.mjs';

const history = { events: 20 };
const app = aSealingApp({ authorizer: 'open', channels: [{ pattern: '*', history }] });
const rig = serve({ apps: [app] });

/** A client that recovers, behind a network that can be cut; its gaps, and the texts that it got. */
async function recovering() {
  const proxy = await rig.proxy();
  const client = rig.client(app, { ...rig.endpoint(app), wsPort: proxy.port });
  const gaps = [];
  recover(client.pusher, nodeBuild, { onGap: (...gap) => gaps.push(gap) });
  await client.connected();
  return { client, proxy, gaps };
}

const publish = (channel, text) => publishPlaintext(rig.sdk(app), channel, 'note', JSON.stringify(text));

/** Collects all events of the subscription as they arrive. */
function collect(subscription) {
  const texts = [];
  subscription.channel.bind('note', (text) => texts.push(text));
  return texts;
}

for (const channel of ['news', 'private-room', 'private-encrypted-room']) {
  test(`events missed while a client was away arrive once and in order on ${channel} (docs/history.md)`, async () => {
    const { client, proxy, gaps } = await recovering();
    const subscription = await client.subscribed(channel);
    const texts = collect(subscription);
    const expected = [];
    for (let round = 0; round < 5; round += 1) {
      await publish(channel, `live ${round}`);
      expected.push(`live ${round}`);
      await eventually(() => texts.length === expected.length, 'the events');
      const away = client.reaches('connecting');
      proxy.down();
      await away;
      for (let n = 0; n < 3; n += 1) {
        await publish(channel, `away ${round} ${n}`);
        expected.push(`away ${round} ${n}`);
      }
      proxy.up();
      await eventually(() => texts.length === expected.length, 'the events');
    }
    assert.deepEqual(texts, expected);
    assert.deepEqual(gaps, []);
  });
}

test('what the log no longer has is told as one gap, also on an encrypted channel (docs/history.md)', async () => {
  for (const channel of ['private-other', 'private-encrypted-other']) {
    const { client, proxy, gaps } = await recovering();
    const texts = collect(await client.subscribed(channel));
    await publish(channel, 'first');
    await eventually(() => texts.length === 1, 'the events');
    const away = client.reaches('connecting');
    proxy.down();
    await away;
    for (let n = 0; n < history.events + 1; n += 1) await publish(channel, `lost ${n}`);
    proxy.up();
    await eventually(() => gaps.length === 1, 'the events');
    assert.deepEqual(gaps[0].slice(0, 2), [channel, 'evicted']);
    await publish(channel, 'live');
    await eventually(() => texts.at(-1) === 'live', 'the events');
    assert.deepEqual(texts, ['first', 'live']);
  }
});

test('instances on one page do not mix their positions, and unsubscribing forgets them (docs/history.md)', async () => {
  const [one, two] = [await recovering(), await recovering()];
  const plain = await rig.connect(app);
  const [first, second, third] = await Promise.all(
    [one.client, two.client, plain].map(async (client) => collect(await client.subscribed('shared'))),
  );
  await publish('shared', 1);
  await eventually(() => first.length === 1 && second.length === 1 && third.length === 1, 'the events');
  const away = one.client.reaches('connecting');
  one.proxy.down();
  await away;
  await publish('shared', 2);
  one.proxy.up();
  await eventually(() => first.length === 2 && second.length === 2, 'the events');
  two.client.unsubscribe('shared');
  await publish('shared', 3);
  await eventually(() => first.length === 3, 'the events');
  const again = collect(await two.client.subscribed('shared'));
  await publish('shared', 4);
  await eventually(() => first.length === 4 && again.length === 1, 'the events');
  assert.deepEqual([first, second, third, again], [[1, 2, 3, 4], [1, 2], [1, 2, 3, 4], [4]]);
  assert.deepEqual([one.gaps, two.gaps], [[], []]);
});
