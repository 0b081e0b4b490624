// Who is in and who is out: removal, invitations, and passes of other lists. No browser.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { applyAll, changes, emptyList, isFull } from "../../examples/todo/public/changes.js";
import { newLock, sealFrame } from "../../examples/todo/public/envelope.js";
import { eventually } from "./support.mjs";
import { DEVICE, last, publish, signedUp, startTodo, TEST } from "./todo-steps.mjs";

const NAMES_OFF = { passes: true, origins: true, names: false, disk: true, passphrase: false };

/** Ann's list with Ben as a member, and what Ben knows of it. */
async function annAndBen(t) {
  const todo = await startTodo(t);
  const [ann, ben] = [await signedUp(todo, "Ann"), await signedUp(todo, "Ben")];
  const { id } = await ann.ask("POST", "/lists", {});
  const { invite } = await ann.ask("GET", `/lists/${id}`);
  await ben.ask("POST", `/lists/${id}/join`, { invite });
  const known = await ben.ask("POST", `/lists/${id}/pass`, DEVICE);
  assert.equal(await publish(todo, known, "for members"), "200");
  return { todo, ann, ben, id, invite, known };
}

test("a pass of one's own list opens no other, whose name one knows", TEST, async (t) => {
  const { todo, ann, ben, id, known } = await annAndBen(t);
  await ann.ask("DELETE", `/lists/${id}/members/${ben.id}`);
  const own = (await ben.ask("POST", "/lists", {})).id;
  for (const layers of [null, NAMES_OFF, { ...NAMES_OFF, disk: false }]) {
    if (layers) {
      const { revision } = await ben.ask("GET", `/lists/${own}`);
      await ben.ask("POST", `/lists/${own}/switch/commit`, { layers, revision });
    }
    const pass = await ben.ask("POST", `/lists/${own}/pass`, { device: "another-1", label: "computer" });
    const about = JSON.stringify(layers);
    assert.equal(await last(todo, pass, known.channel), 403, about);
    assert.match(await publish(todo, pass, "from outside", { channel: known.channel }), /^403/, about);
  }
});

test("a removed member needs another invitation", TEST, async (t) => {
  const { ann, ben, id, invite } = await annAndBen(t);
  await ann.ask("DELETE", `/lists/${id}/members/${ben.id}`);
  assert.equal((await ben.ask("POST", `/lists/${id}/join`, { invite })).status, 403);
  const { invite: next } = await ann.ask("GET", `/lists/${id}`);
  assert.equal((await ben.ask("POST", `/lists/${id}/join`, { invite: next })).status, 200);
});

test("passes of a lost phone end with their user's removal", TEST, async (t) => {
  const { todo, ann, ben, id } = await annAndBen(t);
  const leaked = await ben.ask("POST", `/lists/${id}/attacks/leak`, {});
  assert.equal(await publish(todo, leaked, "for members"), "200");
  await ann.ask("DELETE", `/lists/${id}/members/${ben.id}`);
  assert.equal(await publish(todo, leaked, "from outside"), "403 revoked");
});

test("a full list fits through the server, with and without its seal", TEST, async (t) => {
  const { todo, ann, id } = await annAndBen(t);
  const long = Array.from({ length: 600 }, () => changes.add("長".repeat(200), { id: ann.id, name: "Ann" }));
  const state = applyAll(emptyList(), long);
  assert.equal(isFull(state), true);
  const pass = await ann.ask("POST", `/lists/${id}/pass`, DEVICE);
  assert.equal(await publish(todo, pass, JSON.stringify({ version: 2, applied: [], state })), "200");
  const { layers } = await ann.ask("GET", `/lists/${id}`);
  await ann.ask("POST", `/lists/${id}/switch/commit`, { layers: { ...layers, passphrase: true }, revision: 1 });
  const locked = await ann.ask("POST", `/lists/${id}/pass`, DEVICE);
  const lock = await newLock(id, "zebra lantern copper");
  assert.equal(await publish(todo, locked, await sealFrame(lock, { version: 3, applied: [], state })), "200");
});

test("removed from one list, a device goes on in its others", TEST, async (t) => {
  const { todo, ann, ben, id } = await annAndBen(t);
  await ann.ask("POST", `/lists/${id}/switch/commit`, { layers: NAMES_OFF, revision: 1 });
  const own = (await ben.ask("POST", "/lists", {})).id;
  await ben.ask("POST", `/lists/${own}/switch/commit`, { layers: NAMES_OFF, revision: 1 });
  const pass = await ben.ask("POST", `/lists/${own}/pass`, DEVICE);
  await ben.ask("POST", `/lists/${id}/pass`, DEVICE);
  assert.equal((await ann.ask("DELETE", `/lists/${id}/members/${ben.id}`)).status, 204);
  assert.equal(await publish(todo, pass, "my own list"), "200");
});

test("a pass from before a switch ends with it, so that a removed member has none left", TEST, async (t) => {
  const { todo, ann, ben, id } = await annAndBen(t);
  const layers = { passes: false, origins: true, names: true, disk: false, passphrase: false };
  await ann.ask("POST", `/lists/${id}/switch/commit`, { layers, revision: 1 });
  const forADay = await ben.ask("POST", `/lists/${id}/pass`, DEVICE);
  await ann.ask("POST", `/lists/${id}/switch/commit`, { layers: { ...layers, disk: true }, revision: 2 });
  await ann.ask("DELETE", `/lists/${id}/members/${ben.id}`);
  await ann.ask("POST", `/lists/${id}/switch/commit`, { layers, revision: 3 });
  assert.match(await publish(todo, forADay, "from outside"), /^40[13]/);
});

test("while Sealcast is away nobody is removed by half", TEST, async (t) => {
  const { todo, ann, ben, id, known } = await annAndBen(t);
  process.kill(todo.sealcastPid, "SIGSTOP");
  const refused = await ann.ask("DELETE", `/lists/${id}/members/${ben.id}`).finally(() => process.kill(todo.sealcastPid, "SIGCONT"));
  assert.equal(refused.status, 503);
  const { members } = await ann.ask("GET", `/lists/${id}`);
  assert.deepEqual(members.map(({ name }) => name), ["Ann", "Ben"], "the owner sees whom to remove again");
  assert.equal((await ann.ask("DELETE", `/lists/${id}/members/${ben.id}`)).status, 204);
  assert.equal(await publish(todo, known, "from outside"), "403 revoked");
});

test("a pass that is made while its holder is removed is not handed out", TEST, async (t) => {
  const { todo, ann, ben, id } = await annAndBen(t);
  await ann.ask("POST", `/lists/${id}/switch/commit`, { layers: NAMES_OFF, revision: 1 });
  process.kill(todo.sealcastPid, "SIGSTOP");
  let answers;
  try {
    const asked = ben.ask("POST", `/lists/${id}/pass`, DEVICE);
    await eventually("the pass is being made", async () => (await ben.ask("GET", "/me")).status === 200);
    const removal = ann.ask("DELETE", `/lists/${id}/members/${ben.id}`);
    await eventually("Ben is no member", async () => (await ben.ask("GET", `/lists/${id}`)).status === 403);
    answers = Promise.all([asked, removal]);
  } finally {
    process.kill(todo.sealcastPid, "SIGCONT");
  }
  const [pass, removal] = await answers;
  assert.deepEqual([pass.code, pass.token, removal.status], ["not_a_member", undefined, 204]);
});

test("the number of a member's devices is bounded", TEST, async (t) => {
  const { ben, id } = await annAndBen(t);
  const ask = async (device) => (await ben.ask("POST", `/lists/${id}/pass`, { ...DEVICE, device })).status;
  for (let i = 2; i <= 50; i++) assert.equal(await ask(`device-${i}`), 200);
  assert.equal(await ask("device-51"), 403);
  assert.equal(await ask("device-50"), 200);
});

test("wrong settings and a broken file of keys are refused with a sentence", TEST, async (t) => {
  for (const value of ["soon", "0", "1.5", "90000"]) {
    await assert.rejects(startTodo(t, { PASS_SECONDS: value }), /Give whole seconds from 2 to 86400/);
  }
  const home = await mkdtemp(join(tmpdir(), "sealcast-todo-"));
  t.after(() => rm(home, { recursive: true, force: true }));
  await writeFile(join(home, "todo-secrets.json"), "garbage");
  await assert.rejects(startTodo(t, { STATE_DIR: home }), (error) => /delete its folder to begin anew/.test(error.message) && !/ at /.test(error.message));
});

test("what is no request of the page is refused with a sentence", TEST, async (t) => {
  const { todo, ann, id } = await annAndBen(t);
  const { layers } = await ann.ask("GET", `/lists/${id}`);
  for (const [method, path, body] of [
    ["POST", "/users", { name: 7 }], ["POST", "/users", { name: "x".repeat(31) }], ["POST", "/users", null],
    ["POST", `/lists/${id}/pass`, {}], ["POST", `/lists/${id}/pass`, { device: "../../x", label: "a" }],
    ["POST", `/lists/${id}/switch`, { layers: 7, ...DEVICE }],
    ["POST", `/lists/${id}/switch/commit`, { layers }], ["POST", `/lists/${id}/switch/commit`, { layers, revision: {} }],
    ["POST", `/lists/${id}/switch/commit`, { layers, revision: "1" }],
    ["POST", "/lists/nothing/join", { invite: "x" }], ["POST", `/lists/${id}/join`, { invite: {} }],
    ["POST", `/lists/${id}/attacks/disk`, { marker: "strawberries" }],
    ["POST", `/lists/${id}/attacks/origin`, { origin: todo.url, token: "x", event: {} }],
  ]) {
    const answer = await ann.ask(method, path, body);
    assert.ok([400, 403].includes(answer.status), `${path} ${JSON.stringify(body)}: ${answer.status}`);
    assert.match(answer.error, /\.$/);
  }
  assert.equal((await ann.ask("PUT", `/lists/${id}/copy`, { text: "x".repeat(300_000) })).status, 413);
  assert.doesNotMatch(todo.output(), /Error/);
});
