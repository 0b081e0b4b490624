// The messenger's backend without a browser: refresh tokens, rooms and their races.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { randomId } from "../../examples/lib/crypto.js";
import { ApiError } from "../../examples/lib/tokens.mjs";
import { openAccounts } from "../../examples/messenger/backend/accounts.mjs";
import { openDevices } from "../../examples/messenger/backend/devices.mjs";
import { openRooms } from "../../examples/messenger/backend/rooms.mjs";
import { openDatabase } from "../../examples/messenger/backend/store.mjs";
import { activeDevices, newDevice, readDeviceLog, rootEntry } from "../../examples/messenger/public/devices.js";
import { makeEpoch } from "../../examples/messenger/public/epochs.js";
import { applyMembership, membershipEntry, newMembership } from "../../examples/messenger/public/membership.js";

const SEALED = `${"A".repeat(16)}.${"B".repeat(40)}`;
const refused = (status, code) => (error) => error.status === status && (code === undefined || error.extra.code === code);

async function backend(t) {
  const folder = await mkdtemp(join(tmpdir(), "sealcast-messenger-"));
  const database = openDatabase(folder);
  t.after(async () => {
    database.close();
    await rm(folder, { recursive: true, force: true });
  });
  const clock = { now: 1_800_000_000_000 };
  const now = () => clock.now;
  const revoked = [];
  let count = 0;
  const api = {
    async accessToken({ user }) {
      const made = { token: `token-${user}-${++count}`, jti: `jti ${count}` };
      await api.meanwhile?.();
      return made;
    },
    async revokeToken(jti) {
      if (api.isDown) throw new ApiError(503);
      revoked.push(jti);
    },
  };
  const devices = openDevices({ database });
  const rooms = openRooms({ database, devices, now });
  const channels = [];
  const again = () => {
    const accounts = openAccounts({ database, folder, api, tokenSeconds: 900, channelsOf: (user) => [...rooms.channelsOf(user), ...channels], now });
    t.after(() => accounts.stop());
    return accounts;
  };
  return { api, channels, clock, revoked, devices, rooms, accounts: again(), again, database };
}

describe("refresh tokens", () => {
  test("each is taken once, and its successor is given again until that one is used", async (t) => {
    const { accounts, clock } = await backend(t);
    const first = accounts.begin("ann").refresh;
    const second = (await accounts.rotate(first)).refresh;
    clock.now += 59_000;
    assert.equal((await accounts.rotate(first)).refresh, second, "an answer that was lost");
    const third = (await accounts.rotate(second)).refresh;
    assert.notEqual(third, second);
    await assert.rejects(accounts.rotate(first), refused(401, "stolen"));
    await assert.rejects(accounts.rotate(third), refused(401, "ended"), "the theft ended the family");
  });

  test("after a minute the old one is a stolen one", async (t) => {
    const { accounts, clock } = await backend(t);
    const first = accounts.begin("ann").refresh;
    await accounts.rotate(first);
    clock.now += 60_001;
    await assert.rejects(accounts.rotate(first), refused(401, "stolen"));
  });

  test("forged and foreign cookies are no login, and end nothing", async (t) => {
    const { accounts } = await backend(t);
    const { refresh } = accounts.begin("ann");
    const [family, n, mac] = refresh.split(".");
    for (const cookie of [undefined, "", "a.b", `${family}.2.${mac}`, `${family}.${n}.${mac.slice(1)}`, `${family}.0.${mac}`, `x.${n}.${mac}`]) {
      await assert.rejects(accounts.rotate(cookie), refused(401, "no_login"), String(cookie));
    }
    await accounts.rotate(refresh);
  });

  test("the end of a family revokes its tokens, and no other's", async (t) => {
    const { accounts, revoked } = await backend(t);
    const [one, two] = [accounts.begin("ann"), accounts.begin("ann")];
    const [a, b] = [await accounts.access(one), await accounts.access(two)];
    const request = (token) => ({ headers: { authorization: `Bearer ${token}` } });
    assert.equal(accounts.authenticate(request(a.token)).user, "ann");
    await accounts.end(one.family);
    assert.deepEqual(revoked, ["jti 1"]);
    assert.throws(() => accounts.authenticate(request(a.token)), refused(401));
    assert.equal(accounts.authenticate(request(b.token)).user, "ann");
    await assert.rejects(accounts.access(one), refused(401, "ended"));
  });

  test("a revocation that Sealcast did not take is tried again, also after a restart", async (t) => {
    const { accounts, revoked, api, again } = await backend(t);
    const session = accounts.begin("ann");
    await accounts.access(session);
    api.isDown = true;
    await accounts.end(session.family);
    assert.deepEqual(revoked, []);
    accounts.stop();
    api.isDown = false;
    const later = again();
    await later.settled();
    assert.deepEqual(revoked, ["jti 1"]);
    await later.settled();
    assert.deepEqual(revoked, ["jti 1"], "once is enough");
  });

  test("a theft is answered as one also while Sealcast is away", async (t) => {
    const { accounts, api } = await backend(t);
    const session = accounts.begin("ann");
    await accounts.access(session);
    const second = await accounts.rotate(session.refresh);
    await accounts.rotate(second.refresh);
    api.isDown = true;
    await assert.rejects(accounts.rotate(session.refresh), refused(401, "stolen"));
  });

  test("a token made while its person is removed from a room is not given out", async (t) => {
    const { accounts, revoked, api, channels } = await backend(t);
    const session = accounts.begin("ann");
    channels.push("private-room-1");
    api.meanwhile = () => {
      api.meanwhile = undefined;
      channels.length = 0;
      return accounts.revokeTokens("ann");
    };
    const { token } = await accounts.access(session);
    assert.equal(token, "token-ann-2", "made anew");
    assert.deepEqual(revoked, ["jti 1"]);
  });

  test("a login is forgotten after a month", async (t) => {
    const { accounts, clock } = await backend(t);
    const { refresh } = accounts.begin("ann");
    clock.now += 31 * 86_400_000;
    await assert.rejects(accounts.rotate(refresh), refused(401, "ended"));
  });

  test("passwords: wrong ones, short ones, names that are taken", async (t) => {
    const { accounts } = await backend(t);
    await accounts.register("ann", "a long password");
    await accounts.checkPassword("ann", "a long password");
    await assert.rejects(accounts.checkPassword("ann", "another password"), refused(401));
    await assert.rejects(accounts.checkPassword("bob", "a long password"), refused(401));
    await assert.rejects(accounts.register("ann", "a long password"), refused(409));
    await assert.rejects(accounts.register("bob", "short"), refused(400));
    for (const name of ["Ann", "a", "a.b", "a-b", "ann*", "1ann", "", undefined, ["ann"], {}]) await assert.rejects(accounts.register(name, "a long password"), refused(400));
  });
});

describe("rooms", () => {
  async function withRoom(t) {
    const made = await backend(t);
    const people = {};
    for (const user of ["ann", "bob", "eve"]) {
      const device = await newDevice(user, "Laptop");
      const entry = await rootEntry(device, user);
      await made.devices.append(user, entry);
      people[user] = { device, chain: await readDeviceLog(user, [entry]) };
    }
    const room = randomId();
    let state = newMembership(room);
    const deviceOf = (id, root) => made.devices.deviceOf(id, root);
    const body = { op: "create", kind: "room", members: ["ann", "bob"].map((user) => ({ user, root: people[user].chain.root })) };
    const entry = await membershipEntry(people.ann.device, state, body);
    ({ state } = await applyMembership(state, entry, deviceOf));
    const epochOf = (n, head, users, by = "ann") =>
      makeEpoch({ room, n, head, me: people[by].device, devices: users.flatMap((user) => activeDevices(people[user].chain)) }).then(({ epoch }) => epoch);
    await made.rooms.create("ann", { room, entry, epoch: await epochOf(1, state.head.hash, ["ann", "bob"]) });
    const message = (user, epoch, id = randomId(), number = 1) => made.rooms.addMessages(user, room, [{ id, epoch, device: people[user].device.id, number, sealed: SEALED }])[0];
    return { ...made, people, room, state, deviceOf, epochOf, message };
  }

  test("an id is taken once, and plaintext never", async (t) => {
    const { rooms, room, message, people } = await withRoom(t);
    const id = randomId();
    const first = message("ann", 1, id);
    const again = message("ann", 1, id);
    assert.deepEqual([first.isNew, again.isNew, again.row.row], [true, false, first.row.row]);
    const plain = { id: randomId(), epoch: 1, device: people.ann.device.id, number: 2, sealed: "hello" };
    assert.throws(() => rooms.addMessages("ann", room, [plain]), refused(422, "plaintext_refused"));
    assert.throws(() => rooms.addMessages("eve", room, [plain]), refused(422));
    assert.throws(() => message("eve", 1), refused(403, "not_member"));
    const borrowed = { ...plain, sealed: SEALED, device: people.bob.device.id };
    assert.throws(() => rooms.addMessages("ann", room, [borrowed]), refused(403));
  });

  test("a number of a device is taken once, and the answer says which was the last", async (t) => {
    const { message } = await withRoom(t);
    message("ann", 1, randomId(), 3);
    message("bob", 1, randomId(), 1);
    for (const number of [3, 1]) {
      assert.throws(() => message("ann", 1, randomId(), number), (error) => refused(409, "number")(error) && error.extra.last === 3);
    }
    assert.equal(message("ann", 1, randomId(), 4).isNew, true);
  });

  test("nobody brings in people or keys that this backend does not know", async (t) => {
    const { rooms, room, state, people, epochOf, deviceOf } = await withRoom(t);
    for (const [user, root] of [["", "x"], ["nobody", "x"], ["eve", people.bob.chain.root], ["toString", "x"]]) {
      const entry = await membershipEntry(people.ann.device, state, { op: "add", user, root });
      const grown = (await applyMembership(state, entry, deviceOf)).state;
      await assert.rejects(rooms.change("ann", room, { entry, epoch: await epochOf(2, grown.head.hash, ["ann", "bob"]) }), refused(422, "unknown"), user);
      const first = await membershipEntry(people.ann.device, newMembership("f".repeat(32)), { op: "create", kind: "room", members: [{ user: "ann", root: people.ann.chain.root }, { user, root }] });
      await assert.rejects(rooms.create("ann", { room: "f".repeat(32), entry: first, epoch: null }), refused(422, "unknown"), user);
    }
    const foreign = { ...(await membershipEntry(people.ann.device, newMembership("f".repeat(32)), { op: "create", kind: "room", members: [null] })) };
    await assert.rejects(rooms.create("ann", { room: "f".repeat(32), entry: foreign, epoch: null }), refused(422, "form"));
  });

  test("new keys of a member are taken once their list has begun anew", async (t) => {
    const { rooms, room, state, people, deviceOf, devices, message } = await withRoom(t);
    const device = await newDevice("bob", "New laptop");
    const first = await rootEntry(device, "bob");
    const { root } = await readDeviceLog("bob", [first]);
    const entry = await membershipEntry(people.ann.device, state, { op: "rekey", user: "bob", root });
    const { state: next } = await applyMembership(state, entry, deviceOf);
    const chain = await readDeviceLog("bob", [first]);
    const { epoch } = await makeEpoch({ room, n: 2, head: next.head.hash, me: people.ann.device, devices: [people.ann.chain, chain].flatMap(activeDevices) });
    await assert.rejects(rooms.change("ann", room, { entry, epoch }), refused(422, "unknown"));
    await devices.append("bob", first, true);
    await rooms.change("ann", room, { entry, epoch });
    assert.equal(message("ann", 2).isNew, true);
  });

  test("what is stored of a change is what was signed, and no word more", async (t) => {
    const { rooms, room, state, people, epochOf, database } = await withRoom(t);
    const epoch = { ...(await epochOf(2, state.head.hash, ["ann", "bob"])), note: "plain words beside the key" };
    await rooms.change("ann", room, { epoch });
    assert.equal(database.all("SELECT body FROM rows").some(({ body }) => body.includes("plain words")), false);
    await rooms.change("bob", room, { entry: { ...(await membershipEntry(people.bob.device, state, { op: "remove", user: "bob" })), note: "plain words beside the entry" } });
    assert.equal(database.all("SELECT body FROM rows").some(({ body }) => body.includes("plain words")), false);
  });

  test("a key whose boxes are no ciphertext is refused", async (t) => {
    const { rooms, room, state, people, epochOf } = await withRoom(t);
    const epoch = await epochOf(2, state.head.hash, ["ann", "bob"]);
    const { ephemeral, boxes } = JSON.parse(epoch.boxes);
    for (const parts of [{ ephemeral, boxes, note: "plain words" }, { ephemeral: "plain words", boxes }, { ephemeral, boxes: { ...boxes, [people.ann.device.id]: "plain words" } }]) {
      await assert.rejects(rooms.change("ann", room, { epoch: { ...epoch, boxes: JSON.stringify(parts) } }), refused(422, "plaintext_refused"));
    }
    await rooms.change("ann", room, { epoch });
  });

  test("messages that come together are taken together, or none of them", async (t) => {
    const { rooms, room, people } = await withRoom(t);
    const make = (number, sealed = SEALED) => ({ id: randomId(), epoch: 1, device: people.ann.device.id, number, sealed });
    const three = [make(1), make(2), make(3)];
    const rows = rooms.addMessages("ann", room, three).map(({ row }) => row.row);
    assert.deepEqual(rows, [3, 4, 5]);
    assert.throws(() => rooms.addMessages("ann", room, [make(4), make(5, "hello")]), refused(422));
    assert.equal(rooms.rowsAfter("ann", room, 0).rows.length, 5);
    assert.deepEqual(rooms.addMessages("ann", room, [...three, make(4)]).map(({ isNew }) => isNew), [false, false, false, true]);
    for (const bad of [undefined, [], "x", [null], Array(51).fill(make(9))]) assert.throws(() => rooms.addMessages("ann", room, bad), { name: "Refusal" });
  });

  test("two change a room at once: one wins, nothing is written under the old key", async (t) => {
    const { rooms, room, state, people, epochOf, deviceOf, message } = await withRoom(t);
    const remove = async (user, by) => {
      const entry = await membershipEntry(people[by].device, state, { op: "remove", user });
      const next = (await applyMembership(state, entry, deviceOf)).state;
      return { entry, epoch: await epochOf(2, next.head.hash, [by], by) };
    };
    const outcomes = await Promise.allSettled([rooms.change("ann", room, await remove("bob", "ann")), rooms.change("bob", room, await remove("ann", "bob"))]);
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    const { reason } = outcomes.find(({ status }) => status === "rejected");
    assert.ok([403, 409].includes(reason.status), `${reason.status}: ${reason.stack}`);
    const winner = outcomes[0].status === "fulfilled" ? "ann" : "bob";
    assert.throws(() => message(winner, 1), refused(409, "epoch"));
    assert.equal(message(winner, 2).isNew, true);
  });

  test("a change made while somebody leaves does not bring that person back", async (t) => {
    const { rooms, room, state, people, epochOf, deviceOf } = await withRoom(t);
    const signed = (by, body) => membershipEntry(people[by].device, state, body);
    const adding = await signed("ann", { op: "add", user: "eve", root: people.eve.chain.root });
    const grown = (await applyMembership(state, adding, deviceOf)).state;
    const change = { entry: adding, epoch: await epochOf(2, grown.head.hash, ["ann", "bob", "eve"]) };
    const leaving = { entry: await signed("bob", { op: "remove", user: "bob" }) };
    const outcomes = await Promise.allSettled([rooms.change("ann", room, change), rooms.change("bob", room, leaving)]);
    const [lost] = outcomes.filter(({ status }) => status === "rejected");
    assert.equal(lost?.reason.status, 409, "one of them is told to look again");
    assert.equal(rooms.membersOf(room).includes("bob"), outcomes[1].status === "rejected");
  });

  test("who leaves makes no key, and nothing is written before the next one", async (t) => {
    const { rooms, room, state, people, epochOf, deviceOf, message } = await withRoom(t);
    const entry = await membershipEntry(people.bob.device, state, { op: "remove", user: "bob" });
    const next = (await applyMembership(state, entry, deviceOf)).state;
    await assert.rejects(rooms.change("bob", room, { entry, epoch: await epochOf(2, next.head.hash, ["ann", "bob"], "bob") }), refused(400));
    await rooms.change("bob", room, { entry });
    assert.throws(() => message("ann", 1), refused(409, "epoch"));
    await rooms.change("ann", room, { epoch: await epochOf(2, next.head.hash, ["ann"]) });
    assert.equal(message("ann", 2).isNew, true);
    assert.throws(() => message("bob", 2), refused(403, "removed"));
    assert.deepEqual(rooms.channelsOf("bob"), ["private-user-bob"]);
  });

  test("a stranger's change, a key for other members and a wrong number are refused", async (t) => {
    const { rooms, room, state, people, epochOf } = await withRoom(t);
    const entry = await membershipEntry(people.eve.device, state, { op: "add", user: "eve", root: people.eve.chain.root });
    await assert.rejects(rooms.change("eve", room, { entry, epoch: await epochOf(2, state.head.hash, ["eve"], "eve") }), refused(403));
    await assert.rejects(rooms.change("ann", room, { entry, epoch: await epochOf(2, state.head.hash, ["ann"]) }), refused(403));
    await assert.rejects(rooms.change("ann", room, { epoch: await epochOf(3, state.head.hash, ["ann"]) }), refused(409));
    await assert.rejects(rooms.change("ann", room, { epoch: await epochOf(2, state.head.hash, ["ann", "eve"]) }), refused(422, "foreign"));
  });

  test("only its author deletes a message, and its ciphertext is gone", async (t) => {
    const { rooms, room, message, people, database } = await withRoom(t);
    const id = randomId();
    message("ann", 1, id);
    const deletion = (user) => rooms.deleteMessage(user, room, { id, device: people[user].device.id, signature: "s" });
    assert.throws(() => deletion("bob"), refused(403));
    assert.equal(deletion("ann").type, "deletion");
    assert.equal(deletion("ann"), null, "a second time changes nothing");
    assert.equal(database.all("SELECT body FROM rows").some(({ body }) => body.includes(SEALED)), false);
  });

  test("a member gets rows from the joining on, and changes of members from the beginning", async (t) => {
    const { rooms, room, state, people, epochOf, deviceOf, message } = await withRoom(t);
    message("ann", 1);
    const entry = await membershipEntry(people.ann.device, state, { op: "add", user: "eve", root: people.eve.chain.root });
    const next = (await applyMembership(state, entry, deviceOf)).state;
    await rooms.change("ann", room, { entry, epoch: await epochOf(2, next.head.hash, ["ann", "bob", "eve"]) });
    message("ann", 2, randomId(), 1);
    assert.deepEqual(rooms.rowsAfter("eve", room, 0).rows.map(({ type }) => type), ["entry", "entry", "epoch", "message"]);
    assert.deepEqual(rooms.rowsAfter("ann", room, 0).rows.map(({ type }) => type), ["entry", "epoch", "message", "entry", "epoch", "message"]);
  });
});
