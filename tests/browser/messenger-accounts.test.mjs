// The messenger in a browser: devices, keys and logins. Each part begins where the one before has ended.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually, launchBrowser } from "./apps.mjs";
import {
  account, DESK, dialogWords, hasState, logIn, logOut, newRoom, openMessenger, openRoom, PHONE, register, say, sees, STILL, TEST, texts,
} from "./messenger-steps.mjs";

const ROOM = "Bike kitchen";
const OTHER_ROOM = "Greenhouse committee";
const PLANTED = [ROOM, OTHER_ROOM, "after Tomás was removed", "Three wheels to true", "For every device of Ann", "Good to have you back", "I am back, I think", "Is it late already?"];

describe("messenger", () => {
  let browser;
  before(async () => {
    browser = await launchBrowser();
  }, TEST);
  after(() => browser?.close(), TEST);

  test("devices, keys and logins", TEST, async (t) => {
    const { app, allow, findings, part, join, look } = await openMessenger(t, browser);
    let ann;
    let mara;
    let tomas;

    await part("two rooms", async () => {
      // One after the other: each has its own deadline, also on a busy machine.
      ann = await join("ann", "Ann");
      mara = await join("mara", "Mara");
      tomas = await join("tomas", "Tomás", [/status of 40[13]/]);
      await newRoom(ann.page, "tomas", OTHER_ROOM);
      await newRoom(ann.page, "mara", ROOM);
      await say(ann.page, "Three wheels to true");
      await openRoom(mara.page, ROOM);
      await sees(mara.page, "Three wheels to true");
    });

    await part("a removed member opens nothing that is written later, an added one nothing from before", async () => {
      await ann.page.getByRole("button", { name: "Members and more" }).click();
      await ann.page.getByLabel("Add by user name").fill("tomas");
      await ann.page.getByRole("button", { name: "Add", exact: true }).click();
      await ann.page.locator("dialog").waitFor({ state: "detached" });
      await openRoom(tomas.page, ROOM);
      await tomas.page.locator(".msgs").getByText("Ann added you").waitFor();
      await say(ann.page, "Welcome, Tomás");
      await sees(tomas.page, "Welcome, Tomás");
      assert.deepEqual(await texts(tomas.page, "Three wheels"), []);

      await ann.page.getByRole("button", { name: "Members and more" }).click();
      await look(ann.page, "members", { sizes: DESK, themes: ["light"] });
      await ann.page.getByRole("button", { name: "Remove Tomás" }).click();
      await tomas.page.getByText("You are not in this room any more").first().waitFor();
      await say(ann.page, "Written after Tomás was removed");
      await sees(mara.page, "after Tomás was removed");
      assert.deepEqual(await texts(tomas.page, "after Tomás"), []);
      await mara.page.locator(".msgs").getByText("Ann removed Tomás").waitFor();
    });

    await part("a second and a third device read once an older one has let them in", async () => {
      const others = [];
      while (others.length < 2) {
        const device = await app.open("/", { allow: [...allow(), /status of 401/], reducedMotion: STILL });
        await logIn(device.page, "ann");
        await device.page.getByRole("heading", { name: "This device cannot read yet" }).waitFor();
        await device.page.locator(".eight").waitFor();
        others.push(device);
      }
      await look(others[0].page, "pending", { sizes: PHONE, themes: ["dark"] });
      // The second is let in by the first, and the third by the second. Each asks with its own words.
      let older = ann.page;
      for (const device of others) {
        const own = await device.page.locator(".eight li").allTextContents();
        for (let i = 0; ; i++) {
          await older.getByRole("button", { name: "Look at it" }).nth(i).click();
          await older.locator("dialog .eight").waitFor();
          if ((await dialogWords(older)).join() === own.join()) break;
          assert.ok(i < 1, "these words are on no other device");
          await older.keyboard.press("Escape");
        }
        if (device === others[0]) await look(older, "approve", { sizes: DESK, themes: ["dark"] });
        await older.getByRole("button", { name: "They match, let it in" }).click();
        await openRoom(device.page, ROOM);
        await device.page.getByText(/sealed to other devices/).first().waitFor();
        older = device.page;
      }
      await say(mara.page, "For every device of Ann");
      for (const { page } of [ann, ...others]) await sees(page, "For every device of Ann");
      await look(others[0].page, "other-device", { sizes: DESK, themes: ["light"] });
      await account(ann.page);
      await ann.page.locator("dialog .members").getByRole("button", { name: /^Remove/ }).first().click();
      await others[0].page.getByText("This device was removed from your list").waitFor();
    });

    await part("changed keys stop a room until somebody has looked at them", async () => {
      await openRoom(tomas.page, OTHER_ROOM);
      await logOut(tomas.page, "Forget everything");
      await logIn(tomas.page, "tomas");
      await tomas.page.getByRole("button", { name: "I have no other device" }).click();
      await tomas.page.getByRole("button", { name: "Begin with new keys" }).click();
      await openRoom(ann.page, OTHER_ROOM);
      await ann.page.getByRole("alert").getByText("Tomás’s keys changed").waitFor();
      assert.equal(await ann.page.locator("#message").isVisible(), false);
      await look(ann.page, "keys-changed", { sizes: DESK, themes: ["light"] });
      await look(ann.page, "keys-changed", { sizes: PHONE, themes: ["dark"] });
      await ann.page.getByRole("button", { name: "Compare words" }).click();
      await ann.page.locator("dialog .qr svg").waitFor();
      await look(ann.page, "compare", { sizes: DESK, themes: ["dark"] });
      await look(ann.page, "compare", { sizes: PHONE, themes: ["light"] });
      await ann.page.getByRole("button", { name: "They match" }).click();
      await ann.page.locator(".msgs").getByText("You accepted new keys of Tomás").waitFor();
      await openRoom(tomas.page, OTHER_ROOM);
      await say(ann.page, "Good to have you back");
      await sees(tomas.page, "Good to have you back");
    });

    await part("a link to compare: whole, of other keys, broken", async () => {
      const link = await ann.page.evaluate(async () => {
        const [{ verifyLink }, { openKeyStore }] = [await import("/lib/words.js"), await import("/lib/keys.js")];
        const store = await openKeyStore("messenger-ann");
        const people = await Promise.all(["ann", "mara"].map(async (id) => ({ id, key: (await store.get(`pin/${id}`)).root })));
        store.close();
        return verifyLink(`${location.origin}/verify`, people);
      });
      const tab = await ann.open(link);
      await tab.getByText("The same keys on both sides").waitFor();
      assert.equal(new URL(tab.url()).hash, "");
      const other = link.slice(0, -6) + (link.at(-6) === "A" ? "B" : "A") + link.slice(-5);
      for (const [url, sentence] of [[other, "These are other keys"], [link.slice(0, -9), "This link is not whole"], [link.split("#")[0], "This link is not whole"]]) {
        await tab.goto("about:blank");
        await tab.goto(url);
        await tab.getByText(sentence).waitFor();
      }
      await tab.close();
    });

    await part("logging out ends the other tab, too; kept keys read on", async () => {
      const tab = await mara.context.newPage();
      tab.allowed = [/status of 401/];
      mara.page.allowed.push(/status of 401/);
      // Without a word from the first tab: it is Sealcast that ends the connection.
      await tab.addInitScript(() => {
        window.BroadcastChannel = class extends EventTarget {
          postMessage() {}
          close() {}
        };
      });
      await tab.goto(app.url);
      await hasState(tab, "live");
      await logOut(mara.page, "Keep them");
      await tab.getByRole("heading", { name: "Log in" }).waitFor();
      await tab.close();
      await logIn(mara.page, "mara");
      await openRoom(mara.page, ROOM);
      await sees(mara.page, "Three wheels to true");
      await openRoom(ann.page, ROOM);
      await say(mara.page, "I am back, I think");
      await sees(ann.page, "I am back, I think");
    });

    await part("ten refreshes at once harm nobody; a stolen old one ends the login", async () => {
      const gil = await join("gil", "Gil", [/status of 401/]);
      const cookie = async () => (await gil.context.cookies(`${app.url}/auth`)).find(({ name }) => name === "messenger_refresh").value;
      const refresh = () => gil.page.evaluate(() => fetch("/auth/refresh", { method: "POST" }).then(({ status }) => status));
      const refreshWith = (value, origin = app.url) =>
        fetch(`${app.url}/auth/refresh`, { method: "POST", headers: { origin, cookie: `messenger_refresh=${value}` } });
      const stolen = await cookie();
      const answers = await Promise.all(Array.from({ length: 10 }, () => refreshWith(stolen)));
      assert.deepEqual(answers.map(({ status }) => status), Array(10).fill(200));
      assert.equal(new Set(answers.map(({ headers }) => headers.get("set-cookie"))).size, 1);
      assert.match(answers[0].headers.get("set-cookie"), /; Path=\/auth; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
      assert.deepEqual([await refresh(), await refresh()], [200, 200]);
      assert.equal((await refreshWith(await cookie(), "http://localhost:1")).status, 403);
      assert.equal((await refreshWith(stolen)).status, 401);
      await gil.page.getByText("This login has ended. Log in again.").waitFor();
      await look(gil.page, "login-ended", { sizes: PHONE, themes: ["light"] });
      await gil.context.close();
    });

    await part("a wrong clock, a forbidden storage, too many logins: each has its sentence", async () => {
      const odd = await app.open("/", { allow: [...allow(), /status of (401|429)/], reducedMotion: STILL });
      await odd.context.addInitScript(() => {
        const Real = Date;
        const ahead = 3 * 3_600_000;
        window.Date = class extends Real {
          constructor(...args) {
            super(...(args.length > 0 ? args : [Real.now() + ahead]));
          }

          static now = () => Real.now() + ahead;
        };
        IDBFactory.prototype.open = () => {
          throw new DOMException("no", "SecurityError");
        };
      });
      await odd.page.reload();
      await odd.page.getByText("This browser keeps nothing").waitFor();
      const body = JSON.stringify({ user: "nobody", password: "wrong" });
      await Promise.all(Array.from({ length: 10 }, () =>
        fetch(`${app.url}/auth/login`, { method: "POST", headers: { origin: app.url, "content-type": "application/json" }, body })));
      // A slow machine lets one more through each six seconds.
      await eventually("a refusal", async () => {
        await logIn(odd.page, "nobody", "wrong");
        await odd.page.locator(".answer .notice").waitFor();
        return /^That was too often\. Try again in \d+ s\.$/.test(await odd.page.locator(".answer").textContent());
      });
      await register(odd.page, "odd", "Odd");
      await odd.page.getByText("This device’s clock is 3 hours ahead").waitFor();
      await odd.page.locator(".notes").getByText("This browser keeps nothing").waitFor();
      await newRoom(odd.page, "ann");
      await say(odd.page, "Is it late already?");
      await openRoom(ann.page, "Odd");
      await sees(ann.page, "Is it late already?");
      await look(odd.page, "storage-clock", { sizes: DESK, themes: ["light"] });
      await odd.context.close();
    });

    await part("nothing that was written is anywhere on the way", async () => {
      assert.deepEqual(await app.searchFor(PLANTED), []);
      assert.deepEqual(findings, []);
      app.assertQuiet();
    });
  });
});
