// What examples/e2ee-chat does without a browser when its storage or its backend fails.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { exportPublic, newAgreementPair } from "../../examples/lib/crypto.js";
import { People } from "../../examples/e2ee-chat/public/people.js";
import { Pins, PinsUnread, trustOf } from "../../examples/e2ee-chat/public/pins.js";
import { keepToken } from "../../examples/e2ee-chat/public/token-keeper.js";
import { fakeClock } from "./apps/fake-clock.mjs";

const ANN = "0a".repeat(16);
const BOB = "0b".repeat(16);

/** As keys.js has it: a failed read is an empty list, and the state says so. */
function store() {
  const values = new Map();
  const made = {
    state: "kept",
    isFailing: false,
    put: async (id, value) => void values.set(id, structuredClone(value)),
    async entries(prefix) {
      if (made.isFailing) made.state = "forbidden";
      return made.isFailing ? [] : [...values].filter(([id]) => id.startsWith(prefix)).map(([id, value]) => [id, structuredClone(value)]);
    },
  };
  return made;
}

describe("pins that cannot be read", () => {
  test("are not the same as none: nothing starts, and nobody is seen first", async () => {
    const disk = store();
    const pins = await Pins.open(disk, ANN);
    await pins.see(BOB, "Bob", "key 1");
    await pins.verify(BOB, "key 1");
    disk.isFailing = true;
    await assert.rejects(Pins.open(disk, ANN), PinsUnread);
    await assert.rejects(pins.reload(), PinsUnread, "another tab may have seen others");
    assert.equal(await pins.see(BOB, "Bob", "key 2"), "changed");
    disk.isFailing = false;
    await assert.rejects(Pins.open(disk, ANN), PinsUnread, "what was put meanwhile is in memory only");
    disk.state = "kept";
    assert.equal(trustOf((await Pins.open(disk, ANN)).get(BOB)), "changed");
  });

  test("are needed by nobody who has made a new key here", async () => {
    const disk = store();
    disk.isFailing = true;
    const pins = await Pins.open(disk, ANN, { mayBeginAnew: true });
    assert.equal(await pins.see(BOB, "Bob", "key 1"), "new");
    await pins.reload();
    assert.equal(await pins.see(BOB, "Bob", "key 2"), "changed");
  });
});

describe("a token", () => {
  /** `answers`: what the backend says, one after the other; the last one again and again. */
  function keeper(...answers) {
    const clock = fakeClock();
    const seen = { asked: 0, renewed: 0, troubles: [], final: [] };
    const tokens = keepToken({
      clock, final: [401],
      ask: async () => {
        const answer = answers[Math.min(seen.asked++, answers.length - 1)];
        if (answer instanceof Error) throw answer;
        return { token: `t${seen.asked}`, seconds: answer };
      },
      onRenewed: async () => void seen.renewed++,
      onTrouble: (trouble) => seen.troubles.push(trouble),
      onFinal: (error) => seen.final.push(error.status),
    });
    return { tokens, clock, seen };
  }
  const away = Object.assign(new Error("The backend does not answer."), { status: 0 });

  test("is renewed at half its life, and asked for once", async () => {
    const { tokens, clock, seen } = keeper(100);
    assert.deepEqual(await Promise.all([tokens.current(), tokens.current()]), ["t1", "t1"]);
    await clock.advance(49_999);
    assert.equal(seen.asked, 1);
    await clock.advance(1);
    assert.deepEqual([await tokens.current(), seen.renewed], ["t2", 1]);
  });

  test("that was not renewed is asked for again, less and less often, also after its end", async () => {
    const { tokens, clock, seen } = keeper(100, ...Array(9).fill(away), 100);
    await tokens.current();
    await clock.advance(50_000);
    assert.deepEqual(seen.troubles.at(-1), { sentence: "The backend does not answer.", leftMs: 50_000 });
    assert.equal(await tokens.current(), "t1", "it is good until its end");
    const waits = [];
    while (seen.asked < 10) {
      waits.push(clock.next);
      await clock.advance(clock.next);
    }
    assert.ok(waits[0] <= 2400 && waits.at(-1) >= 48_000 && waits.every((wait) => wait <= 72_000), waits.join());
    assert.equal(seen.troubles.at(-1).leftMs, 0, "long over");
    assert.equal(seen.renewed, 0);
    await clock.advance(clock.next);
    assert.deepEqual([await tokens.current(), seen.renewed, seen.troubles.at(-1)], ["t11", 1, null]);
    assert.equal(clock.next, 50_000);
  });

  test("that cannot be had any more is not asked for again, nor after the end of the page", async () => {
    const signedOut = Object.assign(new Error("You are signed out."), { status: 401 });
    const { tokens, clock, seen } = keeper(100, signedOut);
    await tokens.current();
    await clock.advance(50_000);
    assert.deepEqual([seen.final, clock.count], [[401], 0]);
    const other = keeper(100, away);
    await other.tokens.current();
    other.tokens.close();
    assert.equal(other.clock.count, 0);
    await other.tokens.renew();
    assert.equal(other.clock.count, 0);
  });
});

describe("unsent texts", () => {
  test("are those that nobody has opened, also while they are on their way", async () => {
    const { privateKey, publicKey } = await newAgreementPair();
    const pins = await Pins.open(store(), ANN);
    await pins.see(BOB, "Bob", await exportPublic((await newAgreementPair()).publicKey));
    const own = { id: ANN, name: "Ann", privateKey, publicText: await exportPublic(publicKey) };
    const people = new People({ own, pins, clock: fakeClock(), onChange() {}, onArrival() {} });
    const { items } = people.get(BOB).conversation;
    for (const state of ["waiting", "undelivered", "sent", "opened"]) items.add({ kind: "text", isMine: true, text: state, state });
    assert.equal(people.unsent, 3);
  });
});
