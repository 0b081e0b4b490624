// A room of planning poker without a browser: what waits, what is lost, and a table that may be closed.

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { absence } from "../../examples/planning-poker/public/absence.js";
import { newLinkKey, openLink } from "../../examples/planning-poker/public/link.js";
import { openRoom } from "../../examples/planning-poker/public/room.js";
import { openSession } from "../../examples/planning-poker/public/session.js";
import { emptyTable, isFullFor, MAX_SEATS } from "../../examples/planning-poker/public/table.js";
import { rememberWrites } from "../../examples/planning-poker/public/written.js";
import { oneEvent } from "./apps/one-event.mjs";
import { eventually } from "./support.mjs";

const ANN = "a".repeat(32);
const BOB = "b".repeat(32);
const realFetch = globalThis.fetch;
const memory = () => openSession(() => {
  throw new Error("none");
});

const rooms = [];

afterEach(() => {
  for (const room of rooms.splice(0)) room.end();
  globalThis.fetch = realFetch;
});

describe("the room", () => {
  /** Tokens come; the line is down until it is up. The stream says nothing. */
  async function lonelyRoom(refuse = () => null, { server = oneEvent(), key = newLinkKey(), session = memory(), awayMs = 300_000 } = {}) {
    const line = { isUp: false };
    const json = (value, status = 200) => new Response(status === 204 ? null : JSON.stringify(value), { status });
    globalThis.fetch = async (url, { method, body, headers, signal } = {}) => {
      if (url.endsWith("/token")) return json({ token: "t" });
      if (!line.isUp) throw new TypeError("down");
      if (url.includes("/sse")) {
        const hello = `data: ${JSON.stringify({ event: "pusher:connection_established", data: '{"socket_id":"1.1"}' })}\n\n`;
        return new Response(new ReadableStream({ start(out) {
          out.enqueue(new TextEncoder().encode(hello));
          signal.addEventListener("abort", () => out.error(signal.reason));
        } }));
      }
      const refused = refuse(method);
      if (refused) return refused;
      if (method === "POST") {
        const answer = await server.publish("c", "n", JSON.parse(body).data, { ifMatch: headers["if-match"]?.replaceAll('"', ""), ifNoneMatch: "if-none-match" in headers });
        return json({ position: answer.position }, answer.ok ? 200 : 412);
      }
      const { event } = server;
      return event ? json(event) : json(null, 204);
    };
    const views = [];
    const notes = [];
    session.takeKey(key);
    const keys = await openLink(key);
    const room = openRoom({
      config: { client: "http://line", renewMs: 60_000, awayMs }, keys, session, player: ANN,
      newId: () => (++number).toString(16).padStart(16, "0"), onChange: (view) => views.push(view), onFrame() {}, onNote: (kind) => notes.push(kind),
    });
    rooms.push(room);
    const written = (what, isSo) => eventually(what, () => views.at(-1)?.waiting === 0 && isSo(views.at(-1).table));
    const read = async () => (server.event ? keys.open(server.event.data) : null);
    return { room, views, notes, line, server, session, key, keys, written, read };
  }
  let number = 0;
  const sit = { kind: "sit", player: ANN, name: "Ann", watches: 0 };
  const vote = (round, card) => ({ kind: "vote", player: ANN, round, card });

  test("is closed when the server has it closed, not when a closing waits", { timeout: 20_000 }, async () => {
    const { room, views, line } = await lonelyRoom();
    line.isUp = true;
    await room.start();
    room.change({ kind: "sit", player: ANN, name: "Ann", watches: 0 });
    await eventually("the seat is there", () => views.at(-1)?.waiting === 0 && views.at(-1).table.seats.length === 1);
    line.isUp = false;
    await room.change({ kind: "close" });
    assert.deepEqual([views.at(-1).table.closed, views.at(-1).table.seats.length, views.at(-1).waiting], [0, 1, 1]);
    line.isUp = true;
    await eventually("closed", () => views.at(-1).table.closed === 1);
  });

  test("tries a refused write again on demand, also while the stream is open", { timeout: 20_000 }, async () => {
    let isRefusing = true;
    const { room, views, line } = await lonelyRoom((method) =>
      isRefusing && method === "POST" ? new Response('{"error":"too large"}', { status: 413 }) : null);
    line.isUp = true;
    await room.start();
    await eventually("live", () => views.at(-1).line.state === "live");
    room.change({ kind: "sit", player: ANN, name: "Ann", watches: 0 });
    await eventually("refused", () => views.at(-1).line.state === "refused");
    isRefusing = false;
    room.retry();
    await eventually("written", () => views.at(-1).waiting === 0 && views.at(-1).line.state === "live");
  });

  test("a card that was turned and taken in its own batch did not come too late", { timeout: 20_000 }, async () => {
    const { room, notes, views, line, written } = await lonelyRoom();
    line.isUp = true;
    await room.start();
    await eventually("live", () => views.at(-1).line.state === "live");
    line.isUp = false;
    const take = { kind: "take", id: "12345678", round: 1, card: "05", gone: [] };
    for (const change of [sit, vote(1, "05"), { kind: "turn", round: 1 }, take]) await room.change(change);
    line.isUp = true;
    room.flush();
    await written("the estimate", ({ stories }) => stories.length === 1);
    assert.deepEqual(notes, []);
    // A card of the round before is late, unless one of this round follows it.
    await room.change(vote(1, "05"));
    await eventually("late", () => notes.includes("late"));
    notes.length = 0;
    line.isUp = false;
    for (const change of [vote(1, "05"), vote(2, "06")]) await room.change(change);
    line.isUp = true;
    room.flush();
    await written("the card", ({ seats }) => seats[0].card === "06");
    assert.deepEqual(notes, []);
  });

  test("a story and a turn that another tab's table lacks after a restart are written again, once", { timeout: 20_000 }, async () => {
    const { room, line, server, written, read, keys, views } = await lonelyRoom();
    line.isUp = true;
    await room.start();
    await eventually("live", () => views.at(-1).line.state === "live");
    for (const change of [sit, vote(1, "05")]) room.change(change);
    await written("the card", ({ seats }) => seats[0]?.card === "05");
    const known = await read();
    room.change({ kind: "story", round: 1, title: "Gate" });
    room.change({ kind: "turn", round: 1 });
    await written("the turn", ({ up, story }) => up === 1 && story === "Gate");
    const { version } = await read();
    const bob = { id: BOB, name: "Bob", watches: 0, card: "06" };
    const fork = { version, applied: [...known.applied, "b".repeat(16)], state: { ...known.state, seats: [...known.state.seats, bob] } };
    server.replace(await keys.seal(fork));
    room.change(vote(1, "07"));
    await written("both tables in one", ({ up, story, seats }) => up === 1 && story === "Gate" && seats.length === 2 && seats[0].card === "07");
    const { applied } = await read();
    assert.equal(new Set(applied).size, applied.length, "no change counts twice");
  });

  test("a table that may have been closed while this tab slept comes back only by a press", { timeout: 20_000 }, async () => {
    const first = await lonelyRoom();
    first.line.isUp = true;
    await first.room.start();
    first.room.change(sit);
    await first.written("the seat", ({ seats }) => seats.length === 1);
    const table = first.server.event.data;
    first.room.end();
    const wake = async (seen, inPlace) => {
      first.server.replace(inPlace);
      first.session.put("seen", String(seen));
      const again = await lonelyRoom(undefined, first);
      again.line.isUp = true;
      // What waits must not bring it back, either.
      await again.room.start();
      again.room.change(vote(1, "05"));
      return again;
    };
    const older = await first.keys.seal({ version: 1, applied: [], state: emptyTable() });
    first.session.put("table", await first.keys.seal({ version: 5, applied: [], state: (await first.keys.open(table)).state }));
    for (const inPlace of [null, older]) {
      const again = await wake(0, inPlace);
      await eventually("the doubt", () => again.views.at(-1)?.isInDoubt);
      await again.room.flush();
      assert.equal(first.server.event?.data ?? null, inPlace, "nothing was written");
      again.room.putBack();
      await again.written("the table", ({ seats }) => seats[0]?.card === "05");
      assert.equal(again.views.at(-1).isInDoubt, false);
      assert.ok((await again.read()).version >= 5);
      again.room.end();
    }
    // Away for a moment only: the server has lost it, and a closed one would still be there.
    const soon = await wake(Date.now(), null);
    await soon.written("the table", ({ seats }) => seats.length === 1);
    soon.room.end();
    // The table is where it was: there is nothing to doubt.
    const late = await wake(0, first.server.event.data);
    await late.written("the table", ({ seats }) => seats.length === 1);
    late.room.end();
  });
});

describe("absence", () => {
  test("the longer time of two clocks counts, and ticking after a sleep does not end it", () => {
    const clock = { now: 0, date: 1_000_000 };
    const open = (session) => absence({ session, awayMs: 100, now: () => clock.now, date: () => clock.date });
    const session = memory();
    const away = open(session);
    const pass = (now, date) => {
      clock.now += now;
      clock.date += date;
    };
    for (let i = 0; i < 9; i++) {
      pass(50, 50);
      away.tick();
      assert.equal(away.isLong(), false);
    }
    for (const [now, date] of [[0, 101], [101, 0], [101, -5000]]) {
      pass(now, date);
      away.tick();
      assert.equal(away.isLong(), true, `${now} ${date}`);
      away.met();
      assert.equal(away.isLong(), false);
    }
    pass(0, 101);
    clock.now = 0;
    assert.equal(open(session).isLong(), true, "also over a reload");
    assert.equal(open(memory()).isLong(), false, "a new tab was never away");
  });
});

describe("what this tab has written", () => {
  const turn = (round) => ({ kind: "turn", round });
  const story = (title) => ({ kind: "story", round: 1, title });

  test("what dropped out of a full list is not lost, what is missing in the midst is", () => {
    const ids = Array.from({ length: 150 }, (_, i) => `c${i}`);
    const own = rememberWrites();
    own.add(["c50"], [turn(1)], ids.slice(0, 51));
    assert.deepEqual(own.takeLost(ids.slice(45, 145), []), []);
    assert.deepEqual(own.takeLost(ids.slice(51, 151).concat("d").slice(-100), []), [], "a hundred later");
    const fork = [...ids.slice(0, 50), ...Array.from({ length: 60 }, (_, i) => `d${i}`)].slice(-100);
    assert.deepEqual(own.takeLost(fork, []), [{ id: "c50", change: turn(1) }]);
    assert.deepEqual(own.takeLost(fork, []), [], "told once");
  });

  test("of two stories the later one is repeated, and none that a waiting one replaces", () => {
    const own = rememberWrites();
    own.add(["a", "b", "c"], [story("old"), turn(1), story("new")], ["a", "b", "c"]);
    assert.deepEqual(own.takeLost([], []), [{ id: "b", change: turn(1) }, { id: "c", change: story("new") }]);
    own.add(["a"], [story("old")], ["a"]);
    assert.deepEqual(own.takeLost([], [story("newest")]), []);
  });
});

describe("a full table", () => {
  test("is full for a newcomer, and not for one with a seat", () => {
    const seats = Array.from({ length: MAX_SEATS }, (_, i) => ({ id: String(i).padStart(32, "0"), name: "x", watches: 0, card: "--" }));
    const full = { ...emptyTable(), seats };
    assert.deepEqual([isFullFor(full, ANN), isFullFor(full, seats[7].id), isFullFor({ ...full, seats: seats.slice(1) }, ANN)], [true, false, false]);
  });
});
