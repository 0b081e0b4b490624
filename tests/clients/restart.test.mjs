import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { aSealingApp } from './support/app.mjs';
import { PersistentPublisher } from './support/persistent.mjs';
import { Receiver } from './support/receiver.mjs';
import { Clock, Regular } from './support/regulars.mjs';
import { Server } from './support/server.mjs';
import { eventually } from './support/wait.mjs';

const CHANNELS = ['news', 'private-room', 'presence-room', 'private-encrypted-room'];
const CLIENTS = 24;
const RESTARTS = 2;

/**
 * What may be accepted between the moment in which the server decides that a socket goes and that in which the client reads it. The
 * publisher sends one request after the other, so it is the one under way then, and the next, whose answer may be read in the
 * same turn of this process's loop as the close frame.
 */
const IN_FLIGHT = 2;

/** After a refused connection, as between two servers, pusher-js tries again 15 seconds later. */
const RETURN_MS = 25_000;

const receiver = await Receiver.start();
const app = aSealingApp({ authorizer: 'open', webhooks: [{ url: receiver.url }] });
const server = await Server.start([app], { drain_seconds: 2 });
after(async () => {
  await server.stop();
  await receiver.stop();
  // After a close by the server, pusher-js has a timer left.
  setTimeout(() => process.exit(), 300).unref();
});

/**
 * The numbers that a stay must have: those of requests that were sent when the client knew that it was subscribed, and whose 200 was
 * there before it knew of the end, but for what was under way at the end.
 */
function due(accepted, { since, until }) {
  const whole = accepted.flatMap(({ sent, answered }, n) => (sent > since && answered < until ? [n] : []));
  return until === Infinity ? whole : whole.slice(0, -IN_FLIGHT);
}

function check(stay, accepted) {
  const { client, channel, numbers } = stay;
  const where = `${client} on ${channel}: ${numbers.slice(0, 3)} ... ${numbers.slice(-3)}`;
  numbers.forEach((n, i) => assert.equal(n, numbers[0] + i, `one after the other, ${where}`));
  const wanted = due(accepted, stay);
  if (wanted.length === 0) return;
  assert.ok(numbers[0] <= wanted[0], `from ${wanted[0]} on, ${where}`);
  assert.ok(numbers.at(-1) >= wanted.at(-1), `up to ${wanted.at(-1)}, ${where}`);
}

test('a restart under traffic loses no accepted event of a connected subscriber and repeats none', { timeout: 90_000 }, async () => {
  const clock = new Clock();
  const options = { url: server.url, app, channels: CHANNELS, clock };
  const regulars = Array.from({ length: CLIENTS }, (_, i) => new Regular(`user-${i}`, options));
  const publisher = new PersistentPublisher(options);
  const allSettled = () => eventually(() => regulars.every(({ settled }) => settled), 'everybody to be subscribed', { ms: RETURN_MS });
  const another = (count) => {
    const enough = publisher.accepted.length + count;
    return eventually(() => publisher.accepted.length >= enough, `${count} more events`, { ms: 15_000 });
  };
  await allSettled();
  publisher.start();
  await another(50);
  for (let restart = 0; restart < RESTARTS; restart += 1) {
    await server.restart();
    await allSettled();
    await another(50);
  }
  await publisher.stop();
  const last = publisher.accepted.length - 1;
  const stays = regulars.flatMap(({ stays }) => stays);
  const arrived = () => stays.every(({ until, numbers }) => until !== Infinity || numbers.at(-1) === last);
  await eventually(arrived, 'the last event').catch(() => {});

  assert.ok(stays.length >= CLIENTS * CHANNELS.length * (RESTARTS + 1), `${stays.length} stays`);
  stays.forEach((stay) => check(stay, publisher.accepted));
  for (const regular of regulars) {
    for (const channel of CHANNELS) {
      const all = regular.stays.filter((stay) => stay.channel === channel).flatMap(({ numbers }) => numbers);
      all.forEach((n, i) => assert.ok(i === 0 || n > all[i - 1], `${regular.name} on ${channel}: ${n} after ${all[i - 1]}`));
    }
    assert.ok(regular.errors.filter((code) => code === 4200).length >= RESTARTS, `${regular.errors}`);
  }
  const dueOf = stays.reduce((sum, stay) => sum + due(publisher.accepted, stay).length, 0);
  assert.ok(dueOf > 10_000, `${dueOf} deliveries that were due`);

  regulars.forEach((regular) => regular.leave());
  await server.stop();
  checkWebhooks(receiver.hooks.all.flatMap(({ rawBody }) => JSON.parse(rawBody).events));
});

/** Each channel and each member comes and goes once in the life of each server. */
function checkWebhooks(events) {
  const told = (first, second, is) => {
    const names = events.filter((event) => [first, second].includes(event.name) && is(event)).map(({ name }) => name);
    assert.deepEqual(names, Array.from({ length: RESTARTS + 1 }, () => [first, second]).flat());
  };
  CHANNELS.forEach((channel) => told('channel_occupied', 'channel_vacated', (event) => event.channel === channel));
  for (let i = 0; i < CLIENTS; i += 1) told('member_added', 'member_removed', ({ user_id: id }) => id === `user-${i}`);
}
