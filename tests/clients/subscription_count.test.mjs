import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anApp } from './support/app.mjs';
import { serve } from './support/rig.mjs';

const counting = anApp({ subscription_count: true, authorizer: 'open' });
const quiet = anApp();
const rig = serve({ apps: [counting, quiet] });

test('each subscriber gets the count, the newcomer too (protocol.md 2.6)', async () => {
  const [first, second] = [await rig.connect(counting), await rig.connect(counting)];
  const news = await first.subscribed('news');
  assert.deepEqual(await news.next('pusher:subscription_count'), { subscription_count: 1 });
  const sameNews = await second.subscribed('news');
  assert.deepEqual(await sameNews.next('pusher:subscription_count'), { subscription_count: 2 });
  assert.deepEqual(await news.next('pusher:subscription_count'), { subscription_count: 2 });
  second.unsubscribe('news');
  assert.deepEqual(await news.next('pusher:subscription_count'), { subscription_count: 1 });
  assert.equal(news.channel.subscriptionCount, 1);
});

test('a lost connection is no longer counted (protocol.md 2.6)', async () => {
  const [first, second] = [await rig.connect(counting), await rig.connect(counting)];
  const news = await first.subscribed('news');
  await second.subscribed('news');
  await second.disconnect();
  const counts = [];
  for (let n = 0; n < 3; n += 1) counts.push((await news.next('pusher:subscription_count')).subscription_count);
  assert.deepEqual(counts, [1, 2, 1]);
});

/** The events of a channel's only subscriber between success and an ordinary event. */
async function heardBefore(end, app, channel) {
  const client = await rig.connect(app, rig.endpoint(app));
  const subscription = await client.subscribed(channel);
  const heard = [];
  subscription.channel.bind_global((event) => heard.push(event));
  await rig.sdk(app).trigger(channel, end, 1);
  await subscription.next(end);
  return heard;
}

test('presence channels are not counted (protocol.md 2.6)', async () => {
  assert.deepEqual(await heardBefore('end', counting, 'presence-room'), ['end']);
});

test('nothing is counted unless the app asks for it (protocol.md 2.6)', async () => {
  assert.deepEqual(await heardBefore('end', quiet, 'news'), ['end']);
});
