// examples/todo: the layers with their attacks, several people and devices, and lost lines.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { serverApi, signedId } from "../../examples/lib/tokens.mjs";
import { eventually } from "./apps.mjs";
import { add, allSent, attack, CUT, flip, has, invitation, isLive, join, kept, layer, newList, pictured, REFUSED, start, state, stranger, TEST, texts, todoApps } from "./todo-pages.mjs";

describe("to-do in layers", () => {
  const startTodo = todoApps();

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
      assert.equal(await layer(page, name).locator(".chip").count(), 0, "what got in without the layer says nothing about it");
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
    await pictured(app, page, "open-door");
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

  test("under TLS the layers hold, and the open door says why it stays shut", TEST, async (t) => {
    const app = await startTodo(t, {}, { args: ["--tls"] });
    const { page } = await newList(app, "Ann", { allow: REFUSED });
    await add(page, "by TLS");
    await allSent(page);
    assert.equal(await layer(page, "Open door").getByRole("switch").isDisabled(), true);
    assert.match(await layer(page, "Open door").innerText(), /without --tls/);
    assert.match((await attack(page, "Known pages only")).text, /403 origin_not_allowed/);
    assert.match((await attack(page, "Signed names")).text, /403 no_rule/);
    app.assertQuiet();
  });

  test("passes renew themselves, and a removed member is out at once", TEST, async (t) => {
    const app = await startTodo(t, { PASS_SECONDS: "6" });
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
    await eventually("more passes than Ben's lasts", async () => (await passes()) >= before + 2, 30_000);
    clearInterval(watch);
    assert.deepEqual(seen.filter((each) => each !== "live"), [], "no moment without a line");
    await add(ann.page, "after these passes");
    await ben.context.setOffline(false);
    await isLive(ben.page);
    await has(ben.page, "after these passes");
    await ben.page.getByText("1 change came while you were away").waitFor();
    await pictured(app, ben.page, "caught-up");
    await ben.page.getByText("It is open here and on Ann’s computer.").first().waitFor();

    await ann.page.getByRole("button", { name: "People and invitation" }).click();
    await ann.page.getByRole("button", { name: "Remove Ben", exact: true }).click();
    await eventually("Ben is refused", async () => (await state(ben.page)) === "refused");
    assert.match(await ben.page.locator(".line").innerText(), /not a member.*Ask its owner/);
    await pictured(app, ben.page, "refused");
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

    // The page that switches a layer ends before it has written the list anew.
    await Promise.all([tab, ben.page, cem.page, ann.page].map((page) => page.close()));
    const layers = { passes: false, origins: true, names: true, disk: true, passphrase: false };
    const answer = await ann.context.request.post(`${app.url}/lists/1/switch/commit`, { headers: { origin: app.url }, data: { layers, revision: 1 } });
    assert.equal(answer.status(), 200, await answer.text());
    const again = await ann.open("/");
    await eventually("the list is still there", async () => (await texts(again)).length === wanted.length);
    const secret = (await readFile(`${app.stateDir}/app-secret`, "utf8")).trim();
    const api = serverApi({ url: () => app.sealcastUrl, app: { id: "1001", key: "example-key", secret } });
    const channel = signedId(secret, "private-encrypted-cache-todo-1-", "p");
    await eventually("it is on the server again", async () => (await api.history(channel)).events.length > 0);
    app.assertQuiet();
  });

  test("a change whose answer never comes is sent again, and is there once", TEST, async (t) => {
    const app = await startTodo(t);
    const ann = await app.open("/", { allow: CUT });
    await ann.context.addInitScript(() => {
      const timeout = AbortSignal.timeout.bind(AbortSignal);
      // The page waits 20 s for an answer.
      AbortSignal.timeout = (ms) => timeout(ms / 10);
    });
    await ann.page.reload();
    await start(ann.page, "Ann");
    await allSent(ann.page);
    let swallowed = 0;
    await ann.context.route(/\/events$/, async (route) => {
      if (route.request().method() !== "POST" || swallowed > 0) return route.continue();
      swallowed += 1;
      await route.fetch();
    });
    await add(ann.page, "written once");
    await eventually("it arrived", async () => swallowed === 1);
    await add(ann.page, "written behind it");
    await allSent(ann.page);
    await ann.page.reload();
    await has(ann.page, "written behind it");
    assert.deepEqual(await texts(ann.page), ["written behind it", "written once"]);
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

    const tab = await ann.open("/");
    await has(tab, "after the restart");
    app.line.down();
    await eventually("no line", async () => (await state(ann.page)) === "reconnecting");
    await add(ann.page, "unsent 0", "unsent 1");
    await ann.page.getByText("2 changes wait here.").first().waitFor();
    await pictured(app, ann.page, "reconnecting");
    await ann.context.setOffline(true);
    await eventually("offline", async () => (await state(ann.page)) === "offline");
    // A hundred rows are slow to check for accessibility, and show nothing that four do not.
    await pictured(app, ann.page, "offline");
    await ann.page.evaluate(() => {
      const field = document.querySelector(".paper .composer input");
      for (let i = 2; i < 100; i++) {
        field.value = `unsent ${i}`;
        field.form.requestSubmit();
      }
    });
    await ann.page.getByText("100 changes wait here.").first().waitFor();
    await eventually("all is kept", async () => (await kept(ann.page)) === 100);
    await ann.page.close();
    await eventually("what the closed tab left", async () => (await texts(tab)).length === 102);
    await ann.context.setOffline(false);
    await tab.reload();
    await eventually("what waits after a reload", async () => (await texts(tab)).length === 102);
    await ben.context.setOffline(true);
    await eventually("Ben is offline", async () => (await state(ben.page)) === "offline");
    app.line.up();
    await isLive(tab);
    await allSent(tab);
    await ben.context.setOffline(false);
    await eventually("all at Ben’s", async () => (await texts(ben.page)).length === 102);
    await ben.page.getByText(/changes came while you were away/).waitFor();
    assert.equal(new Set(await texts(ben.page)).size, 102);
    app.assertQuiet();
  });
});
