// The backend of examples/todo with a real Sealcast: every combination of layers against every attack.
// No browser; `SEALCAST_BIN` as in support.mjs.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { DEVICE, last, person, publish, startTodo, TEST } from "./todo-steps.mjs";

const combinations = Array.from({ length: 16 }, (_, i) =>
  ({ passes: (i & 1) > 0, origins: (i & 2) > 0, names: (i & 4) > 0, disk: (i & 8) > 0, passphrase: false }));

test("in every combination each layer stops its attack, and only its own", TEST, async (t) => {
  const todo = await startTodo(t);
  const ann = person(todo);
  await ann("POST", "/users", { name: "Ann" });
  const { id } = await ann("POST", "/lists", {});
  let revision = 1;
  for (const layers of combinations) {
    const about = JSON.stringify(layers);
    const target = await ann("POST", `/lists/${id}/switch`, { layers, ...DEVICE });
    if (!target.isSame) assert.equal(await publish(todo, target, "moved"), "200", about);
    ({ revision } = await ann("POST", `/lists/${id}/switch/commit`, { layers, revision }));
    const pass = await ann("POST", `/lists/${id}/pass`, DEVICE);
    assert.equal(pass.lifetime, layers.passes ? 60 : 86_400, about);
    assert.equal(pass.channel.startsWith(layers.disk ? `private-encrypted-cache-todo-${id}-p` : `private-cache-todo-${id}-p`), true, about);
    assert.equal(await last(todo, pass, pass.channel), target.isSame ? 204 : 200, "history of the place before is deleted");
    assert.equal(await publish(todo, pass, "the list itself"), "200", about);

    const leaked = await ann("POST", `/lists/${id}/attacks/leak`, {});
    assert.equal(await publish(todo, leaked, "loot"), "200", "a leaked pass is good until it is ended");
    await ann("POST", `/lists/${id}/attacks/leak/end`, {});
    const ended = layers.names && layers.disk ? "403 revoked" : "401 token_revoked";
    assert.equal(await publish(todo, leaked, "loot"), layers.passes ? ended : "200", about);
    assert.equal(await publish(todo, pass, "the list itself"), "200", "others' passes go on");

    assert.equal(await publish(todo, pass, "loot", { origin: todo.stranger }), layers.origins ? "403 origin_not_allowed" : "200", about);
    const { guess } = await ann("POST", `/lists/${id}/attacks/neighbour`, {});
    assert.equal(await last(todo, pass, guess), layers.names ? 403 : 200, about);
    await publish(todo, pass, "the list itself");
    const operator = await ann("POST", `/lists/${id}/attacks/operator`, {});
    assert.equal(operator.text, "the list itself", "without a passphrase the operator reads it");
  }
});

test("the copy in the database is there without the layer on disk, and gone with it", TEST, async (t) => {
  const todo = await startTodo(t);
  const ann = person(todo);
  await ann("POST", "/users", { name: "Ann" });
  const { id } = await ann("POST", "/lists", {});
  const { layers } = await ann("GET", `/lists/${id}`);
  const copy = () => ann("PUT", `/lists/${id}/copy`, { text: "markerinthecopyofalistforthistest" });
  const found = async () => (await readFile(join(todo.home, "todo.db"))).includes("markerinthecopyofalistforthistest");
  assert.equal((await copy()).status, 409);
  await ann("POST", `/lists/${id}/switch/commit`, { layers: { ...layers, disk: false }, revision: 1 });
  assert.equal((await copy()).status, 204);
  assert.equal(await found(), true);
  const { hits } = await ann("POST", `/lists/${id}/attacks/disk`, { marker: "markerinthecopyofalistforthistest" });
  assert.deepEqual(hits.map(({ file, form }) => [file, form]), [["todo.db", "plain"]]);
  await ann("POST", `/lists/${id}/switch/commit`, { layers, revision: 2 });
  assert.equal(await found(), false, "deleted text leaves the file");
});

test("members only, one switch at a time, and a removed member comes back by a new invitation", TEST, async (t) => {
  const todo = await startTodo(t);
  const [ann, ben] = [person(todo), person(todo)];
  await ann("POST", "/users", { name: "Ann" });
  const { user } = await ben("POST", "/users", { name: "Ben" });
  const { id } = await ann("POST", "/lists", {});
  const { layers, invite } = await ann("GET", `/lists/${id}`);
  for (const path of [`/lists/${id}/pass`, "/lists/99/pass", "/lists/x/pass"]) {
    assert.deepEqual([(await ben("POST", path, DEVICE)).code], ["not_a_member"], path);
  }
  assert.equal((await person(todo)("POST", `/lists/${id}/pass`, DEVICE)).code, "signed_out");
  assert.equal((await ben("POST", `/lists/${id}/join`, { invite: `${invite}x` })).status, 403);
  assert.equal((await ben("GET", `/lists/${id}`, undefined)).status, 403);
  await ben("POST", `/lists/${id}/join`, { invite });
  assert.equal((await ben("GET", `/lists/${id}`)).invite, undefined, "only the owner invites");
  assert.equal((await ben("DELETE", `/lists/${id}/members/${user.id}`)).status, 403);

  const before = await ben("POST", `/lists/${id}/pass`, DEVICE);
  const own = await ann("POST", `/lists/${id}/pass`, DEVICE);
  assert.equal(await publish(todo, own, "for members"), "200");
  assert.equal((await ann("DELETE", `/lists/${id}/members/${user.id}`)).status, 204);
  assert.equal(await publish(todo, before, "from outside"), "403 revoked");
  assert.equal((await ben("POST", `/lists/${id}/pass`, DEVICE)).status, 403);
  const { invite: next } = await ann("GET", `/lists/${id}`);
  await ben("POST", `/lists/${id}/join`, { invite: next });
  const again = await ben("POST", `/lists/${id}/pass`, DEVICE);
  assert.equal(await last(todo, again, again.channel), 200, "and sees the list that is there");

  assert.equal((await ann("POST", `/lists/${id}/switch/commit`, { layers, revision: 1 })).status, 200);
  assert.equal((await ann("POST", `/lists/${id}/switch/commit`, { layers, revision: 1 })).status, 409);
  const foreign = await ann("POST", "/lists", {}, { origin: todo.stranger });
  assert.equal(foreign.status, 403, "the cookie counts on the page's own origin only");
});
