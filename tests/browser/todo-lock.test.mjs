// examples/todo: the passphrase, frames that somebody played with, and browsers that forbid something.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { sealFrame, newLock } from "../../examples/todo/public/envelope.js";
import { serverApi, signedId } from "../../examples/lib/tokens.mjs";
import { eventually } from "./apps.mjs";
import { add, allSent, attack, CUT, flip, has, invitation, join, layer, lockWith, newList, pictured, REFUSED, TEST, texts, todoApps } from "./todo-pages.mjs";

describe("to-do under a passphrase, and in a bad browser", () => {
  const startTodo = todoApps();

  test("under a passphrase the server gets ciphertext only, and a wrong one writes nothing", TEST, async (t) => {
    const app = await startTodo(t);
    const ann = await newList(app, "Ann", { allow: [...REFUSED, ...CUT] });
    const hash = await invitation(ann.page);
    const ben = await join(app, "Ben", hash, { allow: REFUSED, viewport: { width: 390, height: 844 } });
    await add(ann.page, "an open item");
    await has(ben.page, "an open item");
    const passphrase = "zebra lantern copper willow anchor meadow violin";
    const planted = [passphrase, "tents for the northern meadow", "Nadia’s “blue” key ½", "Weekend at the hut"];
    await lockWith(ann.page, passphrase);
    await ben.page.getByText("This list is locked").waitFor();
    await pictured(app, ben.page, "locked");
    await add(ann.page, planted[1], planted[2]);
    await ann.page.getByRole("button", { name: "People and invitation" }).click();
    await ann.page.getByLabel("Name of the list").fill(planted[3]);
    await ann.page.getByRole("button", { name: "Done" }).click();
    await allSent(ann.page);
    await ann.page.getByText("Only the passphrase opens this list.").waitFor();

    const published = [];
    ben.page.on("request", (request) => /\/(?:events|copy|switch)/.test(request.url()) && published.push(request.url()));
    await ben.page.getByLabel("Passphrase", { exact: true }).fill("zebra lantern copper");
    await ben.page.getByRole("button", { name: "Open the list" }).click();
    await ben.page.getByText("This passphrase does not open the list").waitFor();
    await pictured(app, ben.page, "wrong-passphrase");
    assert.deepEqual(published, [], "a wrong passphrase writes nothing");
    await ben.page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
    await ben.page.getByRole("button", { name: "Open the list" }).click();
    await has(ben.page, "an open item", planted[1], planted[2]);
    await ben.page.getByRole("checkbox", { name: planted[1] }).check();
    await ann.page.getByText("1 of 3 done").waitFor();
    await ben.page.reload();
    await has(ben.page, planted[1]);

    const { text, kind } = await attack(ann.page, "Your passphrase");
    assert.match(kind, /held/, text);
    assert.match(text, /does not open/);
    assert.match((await attack(ann.page, "Sealed on disk")).kind, /held/);
    await allSent(ann.page);
    assert.match((await attack(ann.page, "Known pages only")).kind, /held/);
    await ann.page.locator(".items li.ghost").waitFor();
    await app.pictures(ann.page, "list");
    assert.deepEqual(await app.searchFor(planted), [], "planted texts are nowhere outside of the pages");

    // A member without the passphrase takes it off, to read what the others' pages write then.
    const cem = await join(app, "Cem", hash, { allow: REFUSED });
    await cem.page.getByText("This list is locked").waitFor();
    const layers = { passes: true, origins: true, names: true, disk: false, passphrase: false };
    const { revision } = await (await cem.context.request.get(`${app.url}/lists/1`, { headers: { origin: app.url } })).json();
    const answer = await cem.context.request.post(`${app.url}/lists/1/switch/commit`, { headers: { origin: app.url }, data: { layers, revision } });
    assert.equal(answer.status(), 200, await answer.text());
    await ann.page.getByText("The passphrase was taken off this list").waitFor();
    await pictured(app, ann.page, "taken-off");
    await ben.page.reload();
    await ben.page.getByText("The passphrase was taken off this list").waitFor();
    assert.deepEqual(await app.searchFor(planted.slice(0, 3)), [], "nobody's page has written the list without asking");
    await ann.page.getByRole("button", { name: "Go on without it" }).click();
    await has(ann.page, "an open item", planted[1], planted[2]);
    app.assertQuiet();
  });

  test("altered, replayed and weakened frames change nothing", TEST, async (t) => {
    const app = await startTodo(t);
    const ann = await newList(app, "Ann", { allow: [...REFUSED, ...CUT] });
    const hash = await invitation(ann.page);
    const passphrase = "zebra lantern copper willow anchor meadow violin";
    await lockWith(ann.page, passphrase);
    await flip(ann.page, "Sealed on disk", false);
    await add(ann.page, "good one", "good two");
    await allSent(ann.page);
    const secret = (await readFile(`${app.stateDir}/app-secret`, "utf8")).trim();
    const api = serverApi({ url: () => app.sealcastUrl, app: { id: "1001", key: "example-key", secret } });
    const channel = signedId(secret, "private-cache-todo-1-", "e");
    const newest = async () => (await api.history(channel, { limit: 1, order: "newest" })).events[0].data;
    const good = await newest();
    const play = (frame) => api.trigger(channel, "client-list", frame);

    const [iv, ct] = good.split(".");
    const altered = `${iv}.${ct.slice(0, -4)}${ct.endsWith("AAAA") ? "BBBB" : "AAAA"}`;
    await play(altered);
    await ann.page.getByText("A frame came that does not open").waitFor();
    await eventually("written back", async () => ![altered, good].includes(await newest()));
    await pictured(app, ann.page, "altered");
    await ann.page.getByRole("button", { name: "Fine" }).click();

    const old = (await api.history(channel, { limit: 1 })).events[0].data;
    await play(old);
    await ann.page.getByText("The server gave an older version").waitFor();
    await eventually("written back", async () => (await newest()) !== old);
    assert.deepEqual(await texts(ann.page), ["good two", "good one"]);

    // A newcomer gets a frame whose head asks for 1,000 rounds.
    const other = await sealFrame(await newLock(1, passphrase), { version: 99, applied: [], state: { title: "x", items: [] } });
    const [otherIv, otherCt] = other.split(".");
    const bytes = Buffer.from(otherCt, "base64url");
    bytes.writeUInt32BE(1000, 5);
    await play(`${otherIv}.${bytes.toString("base64url")}`);
    const ben = await join(app, "Ben", hash, { allow: CUT });
    await ben.page.getByText("This list asks for a weak lock").waitFor();
    assert.equal(await ben.page.getByLabel("Passphrase", { exact: true }).count(), 0, "nobody is asked for it");
    await ann.page.getByText("This list asks for a weak lock").waitFor();
    // Ann's page knows the head: another salt stops it, though the passphrase is the same.
    await play(other);
    await ann.page.getByText("The lock of this list is another one now").waitFor();
    await pictured(app, ann.page, "changed-lock");
    assert.equal(await newest(), other, "nothing was written");
    await assert.rejects(play(JSON.stringify({ version: 1 })), { status: 422, code: "plaintext_refused" });
    app.assertQuiet();
  });

  test("without storage, with a wrong clock, and on the first visit", TEST, async (t) => {
    const app = await startTodo(t, { PASS_SECONDS: "5" });
    const first = await app.open("/");
    await first.page.getByLabel("Your name").waitFor();
    await pictured(app, first.page, "empty");
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await first.context.route("**/me", (route) => held.then(() => route.continue()));
    await first.page.reload();
    await first.page.locator(".skel").first().waitFor();
    await pictured(app, first.page, "loading");
    release();
    await first.page.getByLabel("Your name").waitFor();
    const spoil = () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException("no", "SecurityError");
      };
      const now = Date.now;
      Date.now = () => now() + 86_400_000;
    };
    await first.context.addInitScript(spoil);
    await first.page.reload();
    await first.page.getByLabel("Your name").fill("Ann");
    await first.page.getByRole("button", { name: "Start a list" }).click();
    await first.page.getByText("This browser keeps nothing").waitFor();
    await pictured(app, first.page, "no-storage");
    await add(first.page, "works all the same");
    await allSent(first.page);
    // By keyboard alone.
    await first.page.getByRole("checkbox", { name: "works all the same" }).focus();
    await first.page.keyboard.press("Space");
    await first.page.getByText("1 of 1 done").waitFor();
    await first.page.keyboard.press("Tab");
    await first.page.keyboard.press("Enter");
    await first.page.getByText("Nothing to do.").waitFor();
    await first.page.keyboard.type("typed without a click");
    await first.page.keyboard.press("Enter");
    await has(first.page, "typed without a click");
    await layer(first.page, "Open door").getByRole("switch").click();
    await first.page.getByPlaceholder("Write for all to see").fill("in time");
    await first.page.getByPlaceholder("Write for all to see").press("Enter");
    await first.page.locator(".door-items li", { hasText: "in time" }).waitFor();
    const stray = await app.open("/#join=1.notTheInvitation", { allow: CUT });
    await stray.page.getByLabel("Your name").fill("Cem");
    await stray.page.getByRole("button", { name: "Join the list" }).click();
    await stray.page.getByText("Ask for the whole link again.").first().waitFor();
    app.assertQuiet();
  });
});
