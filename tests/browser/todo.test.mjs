// examples/todo: the layers with their attacks, several people and devices, and what goes wrong.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { sealFrame, newLock } from "../../examples/todo/public/envelope.js";
import { serverApi, signedId } from "../../examples/lib/tokens.mjs";
import { eventually, launchBrowser, startApp } from "./apps.mjs";

const TEST = { timeout: 100_000 };
/** Attacks that are refused leave a line on the console: Chromium notes each failed request. */
const REFUSED = [/status of (?:401|403|422)/, /blocked by CORS policy/, /net::ERR_FAILED/];
const CUT = [/net::ERR_/, /status of (?:401|403|502|503)/];

const add = async (page, ...texts) => {
  for (const text of texts) {
    await page.getByPlaceholder("Add something").fill(text);
    await page.getByRole("button", { name: "Add", exact: true }).click();
  }
};
const texts = (page) => page.locator(".items li:not(.ghost) label span").allInnerTexts();
const layer = (page, name) => page.locator(".layer", { has: page.getByRole("heading", { name, exact: true }) });
const state = (page) => page.locator(".state").getAttribute("data-state");
const isLive = (page) => eventually("a live line", async () => (await state(page)) === "live");
const allSent = (page) => eventually("an empty outbox", async () => (await page.locator(".items li.waiting").count()) === 0);
const has = (page, ...wanted) => eventually(wanted.join(", "), async () => {
  const found = await texts(page);
  return wanted.every((text) => found.includes(text));
});

async function newList(app, name, options) {
  const person = await app.open("/", options);
  await person.page.getByLabel("Your name").fill(name);
  await person.page.getByRole("button", { name: "Start a list" }).click();
  await person.page.getByPlaceholder("Add something").waitFor();
  await isLive(person.page);
  await person.page.getByRole("heading", { name: `${name}’s list` }).waitFor();
  return person;
}

async function invitation(page) {
  await page.getByRole("button", { name: "People and invitation" }).click();
  const link = await page.getByLabel("Invitation", { exact: true }).inputValue();
  await page.getByRole("button", { name: "Done" }).click();
  return new URL(link).hash;
}

async function join(app, name, hash, options) {
  const person = await app.open(`/${hash}`, options);
  await person.page.getByLabel("Your name").fill(name);
  await person.page.getByRole("button", { name: "Join the list" }).click();
  return person;
}

async function attack(page, name, button = "Try it") {
  const row = layer(page, name);
  await row.getByRole("button", { name: button }).click();
  await row.locator(".attack:not([hidden]) .shout").waitFor();
  return { row, text: await row.locator(".attack").innerText(), kind: await row.locator(".attack").getAttribute("class") };
}

async function flip(page, name, isOn) {
  const control = layer(page, name).getByRole("switch");
  await control.click();
  await eventually(`${name} is ${isOn ? "on" : "off"}`, async () =>
    (await control.getAttribute("aria-checked")) === String(isOn) && (await control.isEnabled()));
}

async function lockWith(page, passphrase) {
  await layer(page, "Your passphrase").getByRole("switch").click();
  await page.getByRole("textbox", { name: "Passphrase" }).fill(passphrase);
  await page.getByRole("button", { name: "I have it. Lock" }).click();
  await eventually("the lock", async () => (await layer(page, "Your passphrase").getAttribute("class")).includes(" on") && layer(page, "Your passphrase").getByRole("switch").isEnabled());
}

const stranger = (app) => /^The stranger is (\S+)$/m.exec(app.output())[1];

describe("to-do in layers", () => {
  let browser;
  before(async () => {
    browser = await launchBrowser();
  }, TEST);
  after(() => browser?.close(), TEST);
  const startTodo = (t, env = {}) => startApp(t, "todo", { browser, env });

  test("each layer stops its attack, and without it the attack gets in", TEST, async (t) => {
    const app = await startTodo(t);
    const { page } = await newList(app, "Ann", { allow: REFUSED });
    await add(page, "Bread, the dark one", "Lamp oil, two litres");
    await allSent(page);

    for (const [name, answer, words] of [
      ["Short-lived passes", /403 revoked/, /You ended it/],
      ["Known pages only", /403 origin_not_allowed/, new RegExp(new URL(stranger(app)).host)],
      ["Signed names", /403 no_rule/, /Rosa’s list/],
      ["Sealed on disk", /nothing/, /Every file/],
    ]) {
      const { text, kind } = await attack(page, name);
      assert.match(kind, /held/, text);
      assert.match(text, answer);
      assert.match(text, words);
    }
    assert.equal(await page.locator(".items li.ghost").count(), 0, "the last two attacks write nothing");
    assert.deepEqual((await texts(page)).filter((text) => /fireworks/.test(text)), []);

    for (const [name, words] of [
      ["Short-lived passes", /good for a day[^]*200/],
      ["Known pages only", /200/],
      ["Signed names", /Hide the ring for Yusuf/],
      ["Sealed on disk", /todo\.db, byte/],
    ]) {
      await layer(page, name).locator(".chip").click();
      await layer(page, name).getByRole("button", { name: "Switch off and watch it get in" }).click();
      const panel = layer(page, name).locator(".attack.broken");
      await panel.waitFor();
      assert.match(await panel.innerText(), words);
      await flip(page, name, true);
    }
    await has(page, "Bread, the dark one", "Lamp oil, two litres");
    await eventually("two loots", async () => (await page.locator(".items li.looted").count()) === 2);
    const database = await app.searchFor(["Bread, the dark one"], /^state: /);
    assert.deepEqual(database, [], "sealed again, and the copy in the database is gone");
    app.assertQuiet();
  });

  test("the open door: the page signs, and so does every other page", TEST, async (t) => {
    const app = await startTodo(t);
    const { page } = await newList(app, "Ann", { allow: REFUSED });
    await layer(page, "Open door").getByRole("switch").click();
    await page.getByPlaceholder("Write for all to see").fill("mine");
    await page.getByRole("region", { name: "Anybody can write here" }).getByRole("button", { name: "Add" }).click();
    await page.locator(".door-items li", { hasText: "mine" }).waitFor();
    const { text, kind } = await attack(page, "Open door", "Watch it fail");
    assert.match(kind, /broken/);
    assert.match(text, /POST \/apps\/1002\/events[^]*200/);
    await page.locator(".door-items li.looted", { hasText: "fireworks" }).waitFor();
    await app.pictures(page, "open-door", { sizes: [[1280, 800]] });
    await layer(page, "Open door").getByRole("switch").click();
    await page.locator(".door").waitFor({ state: "hidden" });
    const { door } = await (await fetch(`${app.url}/config.json`)).json();
    const log = () => serverApi({ url: () => app.sealcastUrl, app: door }).history("private-cache-door-1");
    await eventually("nothing is left of the open list", async () => (await log()).events.length === 0);
    await layer(page, "Open door").getByRole("switch").click();
    await page.getByPlaceholder("Write for all to see").fill("anew");
    await page.getByPlaceholder("Write for all to see").press("Enter");
    await page.locator(".door-items li", { hasText: "anew" }).waitFor();
    assert.equal((await log()).events.length, 1);
    app.assertQuiet();
  });

  test("passes renew themselves, and a removed member is out at once", TEST, async (t) => {
    const app = await startTodo(t, { PASS_SECONDS: "4" });
    const ann = await newList(app, "Ann");
    const ben = await join(app, "Ben", await invitation(ann.page), { allow: CUT });
    await add(ben.page, "Ben’s first");
    await has(ann.page, "Ben’s first");
    const passes = () => app.sources(/^body to .*\/pass$/).then((all) => all.length);
    // Ben's computer sleeps until its pass has ended.
    await ben.context.setOffline(true);
    await eventually("Ben is offline", async () => (await state(ben.page)) === "offline");
    const before = await passes();
    const seen = [];
    const watch = setInterval(async () => seen.push(await state(ann.page).catch(() => "gone")), 200);
    await eventually("three more passes", async () => (await passes()) >= before + 3, 30_000);
    clearInterval(watch);
    assert.deepEqual(seen.filter((each) => each !== "live"), [], "no moment without a line");
    await add(ann.page, "after three passes");
    await ben.context.setOffline(false);
    await isLive(ben.page);
    await has(ben.page, "after three passes");
    await ben.page.getByText("It is open here and on Ann’s computer.").first().waitFor();

    await ann.page.getByRole("button", { name: "People and invitation" }).click();
    await ann.page.getByRole("button", { name: "Remove Ben", exact: true }).click();
    await eventually("Ben is refused", async () => (await state(ben.page)) === "refused");
    assert.match(await ben.page.locator(".line").innerText(), /not a member.*Ask its owner/);
    await app.pictures(ben.page, "refused", { sizes: [[390, 844]] });
    await ann.page.getByRole("button", { name: "Done" }).click();
    await add(ben.page, "from outside");
    await add(ann.page, "among ourselves");
    await allSent(ann.page);
    assert.ok(!(await texts(ann.page)).includes("from outside"));
    assert.ok(!(await texts(ben.page)).includes("among ourselves"));
    app.assertQuiet();
  });

  test("two tabs and another device write at once, and no change is lost", TEST, async (t) => {
    const app = await startTodo(t);
    const ann = await newList(app, "Ann");
    const ben = await join(app, "Ben", await invitation(ann.page));
    const cem = await join(app, "Cem", await invitation(ann.page), { viewport: { width: 390, height: 844 } });
    const tab = await ann.open("/");
    await Promise.all([isLive(tab), isLive(ben.page), isLive(cem.page)]);
    await tab.getByText("It is open here and on Ben’s computer, on Cem’s phone.").waitFor();
    await tab.getByPlaceholder("Add something").waitFor();
    const write = (page, name) => page.evaluate(async (text) => {
      const field = document.querySelector(".paper .composer input");
      for (let i = 0; i < 20; i++) {
        field.value = `${text} ${i}`;
        field.form.requestSubmit();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }, name);
    await Promise.all([write(ann.page, "first tab"), write(tab, "second tab"), add(ben.page, "Ben’s"), add(cem.page, "Cem’s")]);
    const wanted = [...["first tab", "second tab"].flatMap((name) => Array.from({ length: 20 }, (_, i) => `${name} ${i}`)), "Ben’s", "Cem’s"].sort();
    for (const page of [ann.page, tab, ben.page, cem.page]) {
      await eventually("all changes", async () => (await texts(page)).length >= wanted.length);
      assert.deepEqual((await texts(page)).sort(), wanted);
    }
    const writes = (await app.sources(/^request to .*\/events$/)).map(({ bytes }) => bytes.toString()).filter((head) => head.startsWith("POST"));
    assert.ok(writes.length >= 4, `${writes.length} writes`);
    assert.deepEqual(writes.filter((head) => !/^if-(?:none-)?match: /m.test(head)), [], "no write without a condition");
    app.assertQuiet();
  });

  test("the list outlives a restart, and what was written meanwhile leaves by itself", TEST, async (t) => {
    const app = await startTodo(t);
    const ann = await newList(app, "Ann", { allow: CUT });
    const ben = await join(app, "Ben", await invitation(ann.page), { allow: CUT, viewport: { width: 390, height: 844 } });
    await isLive(ben.page);
    await add(ann.page, "before the restart");
    await has(ben.page, "before the restart");
    await app.restartSealcast("SIGKILL");
    await isLive(ann.page);
    await isLive(ben.page);
    await add(ann.page, "after the restart");
    await has(ben.page, "before the restart", "after the restart");

    app.line.down();
    await eventually("no line", async () => (await state(ann.page)) === "reconnecting");
    await ann.page.evaluate(() => {
      const field = document.querySelector(".paper .composer input");
      for (let i = 0; i < 100; i++) {
        field.value = `unsent ${i}`;
        field.form.requestSubmit();
      }
    });
    await ann.page.getByText("100 changes wait here.").first().waitFor();
    await app.pictures(ann.page, "reconnecting", { sizes: [[390, 844]] });
    await ann.page.reload();
    await eventually("what waits after a reload", async () => (await texts(ann.page)).length === 102);
    await ann.context.setOffline(true);
    await eventually("offline", async () => (await state(ann.page)) === "offline");
    await app.pictures(ann.page, "offline", { sizes: [[390, 844]] });
    await ben.context.setOffline(true);
    await eventually("Ben is offline", async () => (await state(ben.page)) === "offline");
    await ann.context.setOffline(false);
    app.line.up();
    await isLive(ann.page);
    await allSent(ann.page);
    await ben.context.setOffline(false);
    await eventually("all at Ben’s", async () => (await texts(ben.page)).length === 102);
    await ben.page.getByText(/changes came while you were away/).waitFor();
    assert.equal(new Set(await texts(ben.page)).size, 102);
    await app.pictures(ben.page, "caught-up", { sizes: [[390, 844]] });
    app.assertQuiet();
  });

  test("under a passphrase the server gets ciphertext only, and a wrong one writes nothing", TEST, async (t) => {
    const app = await startTodo(t);
    const ann = await newList(app, "Ann", { allow: [...REFUSED, ...CUT] });
    const ben = await join(app, "Ben", await invitation(ann.page), { allow: REFUSED, viewport: { width: 390, height: 844 } });
    await add(ann.page, "an open item");
    await has(ben.page, "an open item");
    const passphrase = "zebra lantern copper willow anchor meadow violin";
    const planted = [passphrase, "tents for the northern meadow", "Nadia’s “blue” key ½", "Weekend at the hut"];
    await lockWith(ann.page, passphrase);
    await ben.page.getByText("This list is locked").waitFor();
    await app.pictures(ben.page, "locked", { sizes: [[390, 844]] });
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
    await app.pictures(ben.page, "wrong-passphrase", { sizes: [[390, 844]] });
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
    await app.pictures(ann.page, "altered", { sizes: [[390, 844]] });
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
    await app.pictures(ann.page, "changed-lock", { sizes: [[390, 844]] });
    assert.equal(await newest(), other, "nothing was written");
    await assert.rejects(play(JSON.stringify({ version: 1 })), { status: 422, code: "plaintext_refused" });
    app.assertQuiet();
  });

  test("without storage, with a wrong clock, and on the first visit", TEST, async (t) => {
    const app = await startTodo(t, { PASS_SECONDS: "5" });
    const first = await app.open("/");
    await first.page.getByLabel("Your name").waitFor();
    await app.pictures(first.page, "empty", { sizes: [[1280, 800], [390, 844]] });
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await first.context.route("**/me", (route) => held.then(() => route.continue()));
    await first.page.reload();
    await first.page.locator(".skel").first().waitFor();
    await app.pictures(first.page, "loading", { sizes: [[390, 844]] });
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
    await app.pictures(first.page, "no-storage", { sizes: [[390, 844]] });
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
