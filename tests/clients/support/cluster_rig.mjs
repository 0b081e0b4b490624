// Everything that a test of a cluster under traffic needs, and what must hold at its end.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import PusherSdk from 'pusher';
import { aSealingApp } from './app.mjs';
import { Backend } from './backend.mjs';
import { Cluster } from './cluster.mjs';
import { checkReplay, checkStay, checkTurns, oneOrder } from './orders.mjs';
import { Receiver } from './receiver.mjs';
import { Clock } from './regulars.mjs';
import { PRESENCE, Resident } from './residents.mjs';
import { TurnPublisher } from './turns.mjs';
import { eventually } from './wait.mjs';

const CACHE = 'cache-news';
const SEALED = ['private-encrypted-room'];
const PLAIN = ['news', 'private-room', PRESENCE, CACHE];
const CHANNELS = [...PLAIN, ...SEALED];

const PUBLISHERS = ['a', 'b'];
/** Requests of each of them. */
const PER_SECOND = 10;

const WATCHER = 'watcher';

/** Nodes, a receiver of webhooks and a backend for sign-ins. `watched` are those on the list of the user `watcher`. */
export class ClusterRig {
  #clock = new Clock();
  residents = [];
  publishers = [];

  static async start({ nodes, watched, ...settings }) {
    const rig = new ClusterRig();
    rig.receiver = await Receiver.start();
    const events = ['channel_occupied', 'channel_vacated', 'member_added', 'member_removed'];
    rig.app = aSealingApp({ authorizer: 'open', watchlist: true, webhooks: [{ url: rig.receiver.url, events }] });
    const sign = (id) => ({ id, watchlist: id === WATCHER ? watched : [] });
    rig.backend = await Backend.start(rig.#sdk({}), { users: ({ user }) => sign(user) });
    rig.cluster = await Cluster.start(nodes, [rig.app], settings);
    after(() => rig.#stop());
    return rig;
  }

  async #stop() {
    // After a close by the server, pusher-js has a timer left; and after a failure, everybody is there still.
    setTimeout(() => process.exit(), 20_000).unref();
    this.residents.forEach((resident) => resident.leave());
    await Promise.all(this.publishers.map((publisher) => publisher.stop()));
    await this.cluster.stop();
    await Promise.all([this.receiver.stop(), this.backend.stop()]);
    setTimeout(() => process.exit(), 300).unref();
  }

  #sdk(options) {
    return new PusherSdk({ appId: this.app.id, key: this.app.key, secret: this.app.secret, ...options });
  }

  /** A user on all channels, who comes by the door unless `url` names a node. */
  reside(name, url = this.cluster.url) {
    const resident = new Resident(name, { url, users: this.backend, app: this.app, channels: CHANNELS, clock: this.#clock });
    this.residents.push(resident);
    return resident;
  }

  /** Waits until all these users are subscribed to all channels and see so many members. */
  async settled(members, residents = this.residents) {
    const isSettled = (it) => it.settled && it.roster.size === members;
    const shown = ({ name, roster, errors, refused }) => ({ name, roster: [...roster], errors, refused });
    const detail = () => `: ${JSON.stringify(residents.filter((it) => !isSettled(it)).map(shown))}`;
    await eventually(() => residents.every(isSettled), 'everybody to be in', { ms: 20_000, detail });
  }

  publish() {
    const { app, cluster: { url } } = this;
    const users = [...new Set(this.residents.map(({ name }) => name))];
    const options = { url, app, plain: PLAIN, sealed: SEALED, users, clock: this.#clock, perSecond: PER_SECOND };
    this.publishers = PUBLISHERS.map((name) => new TurnPublisher(name, options));
    this.publishers.forEach((publisher) => publisher.start());
  }

  /** Waits for this many further requests of each publisher. */
  async more(count) {
    await Promise.all(this.publishers.map((publisher) => publisher.more(count)));
  }

  /** Ends the traffic, and waits until those who are there have the last event of each channel. */
  async quiet() {
    await Promise.all(this.publishers.map((publisher) => publisher.stop()));
    const lasting = this.residents.flatMap(({ stays }) => stays.filter(({ until }) => until === Infinity));
    const isDone = (stay) => {
      const last = this.#listsOf(stay).flatMap((list) => list.slice(-1)).filter(({ sent }) => sent > stay.since);
      return last.every(({ n }) => stay.numbers.includes(n));
    };
    // What is missing is named by `checkEvents`.
    await eventually(() => lasting.every(isDone), 'the last events').catch(() => {});
  }

  #listsOf({ channel }) {
    return this.publishers.map(({ accepted }) => accepted.get(channel) ?? []);
  }

  /** Each accepted event of a subscriber arrived, once, and in one order on each channel. */
  checkEvents(t) {
    const isLocal = (n) => this.publishers.some(({ local }) => local.has(n));
    const stays = this.residents.flatMap(({ stays }) => stays);
    let total = 0;
    for (const stay of stays) {
      const lists = this.#listsOf(stay);
      total += checkStay(stay, lists);
      checkTurns(stay, lists);
      if (stay.channel === CACHE) checkReplay(stay, lists);
    }
    for (const channel of new Set(stays.map(({ channel }) => channel))) {
      // Also over the returns of a client, whichever node it came to.
      const seen = ({ stays }) => stays.filter((stay) => stay.channel === channel).flatMap(({ numbers }) => numbers);
      const sequences = this.residents.map((it) => [...new Set(seen(it))].filter((n) => !isLocal(n)));
      oneOrder(sequences, channel);
    }
    this.residents.forEach(checkReturns);
    const failures = this.publishers.flatMap(({ failures }) => failures);
    const local = this.publishers.reduce((sum, publisher) => sum + publisher.local.size, 0);
    t.diagnostic(`${stays.length} subscriptions, ${total} deliveries that were due, ${local} events answered as local`);
    t.diagnostic(`${failures.length} failed requests ${failures}`);
    return { total, failures };
  }

  /** These users were told that these are gone, each once, and of no other departure. */
  checkNews(gone, residents = this.residents) {
    for (const { name, repeated, refused, offline, ...told } of residents) {
      assert.deepEqual(told.gone.toSorted(), gone, `${name} was told who is gone`);
      assert.deepEqual(offline.toSorted(), name === WATCHER ? gone : [], `${name} was told who is offline`);
      assert.deepEqual([repeated, refused], [[], []], `${name} was told of newcomers that it knew, or was refused`);
    }
  }

  /** Everybody leaves, and nobody is left on any node. */
  async leave() {
    this.residents.forEach((resident) => resident.leave());
    await this.cluster.settled();
    assert.deepEqual(await this.members(), [], 'no member is left');
  }

  /** Ids of the members, as the HTTP API lists them. */
  async members() {
    const { hostname: host, port } = this.cluster.url;
    const answer = await this.#sdk({ host, port }).get({ path: `/channels/${PRESENCE}/users` });
    return (await answer.json()).users.map(({ id }) => id);
  }

  #webhooks() {
    return this.receiver.hooks.all.flatMap(({ rawBody }) => JSON.parse(rawBody).events);
  }

  /** Once all have left: each channel and each user comes and goes once. An event with the `id` of an earlier one is the same. */
  async checkWebhooks(t) {
    const users = [...new Set(this.residents.map(({ name }) => name))];
    const distinct = () => [...new Map(this.#webhooks().map((event) => [event.id, event])).values()];
    const wanted = 2 * (CHANNELS.length + users.length);
    const detail = () => `: ${JSON.stringify(distinct())}`;
    await eventually(() => distinct().length >= wanted, `${wanted} webhook events`, { ms: 20_000, detail });
    // Those that would be too many may come with the end of the nodes.
    await this.cluster.stopNodes();
    const told = (names, is) => {
      const story = distinct().filter((event) => names.includes(event.name) && is(event));
      assert.deepEqual(story.map(({ name }) => name), names, JSON.stringify(story));
    };
    for (const channel of CHANNELS) told(['channel_occupied', 'channel_vacated'], (event) => event.channel === channel);
    for (const user of users) told(['member_added', 'member_removed'], (event) => event.user_id === user);
    assert.equal(distinct().length, wanted, detail());
    t.diagnostic(`${wanted} webhook events, ${this.#webhooks().length - wanted} of them came again with their id`);
  }
}

/** Nothing comes again after a return, but for the last event of a cache channel. */
function checkReturns({ name, stays }) {
  for (const channel of new Set(stays.map(({ channel }) => channel))) {
    const [first, ...later] = stays.filter((stay) => stay.channel === channel).map(({ numbers }) => numbers);
    const all = [...first, ...later.flatMap((numbers) => (channel === CACHE ? numbers.slice(1) : numbers))];
    assert.equal(new Set(all).size, all.length, `nothing twice, ${name} on ${channel}`);
  }
}
