// The quickstart beside `serve --dev`: unmodified pusher-js in Chromium, the real server, the real backend.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually, launchBrowser, rig, screenshot } from "./support.mjs";

const TEST = { timeout: 90_000 };

describe("quickstart", () => {
  let browser, shared;
  const endings = [];
  before(async () => {
    browser = await launchBrowser();
    shared = await rig({ after: (end) => endings.push(end) }, browser);
  }, TEST);
  after(async () => {
    for (const end of endings) await end();
    await browser?.close();
  }, TEST);

  /** The shared server and backend, with tabs that close with the test. */
  function visit(t) {
    const tabs = [];
    t.after(() => Promise.all(tabs.map(({ page }) => page.close())));
    return { ...shared, openTab: async () => {
      const tab = await shared.openTab();
      tabs.push(tab);
      return tab;
    } };
  }

  const people = (tab) => tab.page.locator(".people .who").allTextContents();
  const state = (tab) => tab.page.locator(".state").textContent();
  // The page names its visitor once its script runs; until then the field is empty.
  const nameIn = (tab) => eventually("a name", () => tab.page.getByLabel("Your name").inputValue());
  const issues = (tab) => tab.page.locator("#issues").innerText().then((text) => text.replace(/\s+/g, " "));
  const seesPeople = (tab, names) =>
    eventually(`${names.join(", ")} listed`, async () => {
      const listed = await people(tab);
      return listed.length === names.length && names.every((name) => listed.includes(name));
    });
  const connected = (tab) => eventually("connected", async () => (await state(tab)) === "Live");

  async function two(r) {
    const tabs = [await r.openTab(), await r.openTab()];
    const names = await Promise.all(tabs.map(nameIn));
    for (const tab of tabs) {
      await connected(tab);
      await seesPeople(tab, names);
    }
    return { tabs, names };
  }

  const field = (tab) => tab.page.getByRole("textbox", { name: "Write a message" });

  async function say(tab, text) {
    await tab.page.bringToFront();
    await field(tab).fill(text);
    await tab.page.getByRole("button", { name: "Send" }).click();
  }

  /** The newest message of a panel of a tab, once it says `text`. */
  async function newest(tab, text, panel = "pusher") {
    const item = tab.page.locator(`#${panel} .message`).first();
    await eventually(`"${text}" in the panel ${panel}`, async () =>
      (await item.count()) > 0 && (await item.locator(".text").textContent()) === text);
    return {
      who: await item.locator(".who").textContent(),
      frame: await item.locator(".frame").textContent(),
      html: await item.locator(".text").innerHTML(),
    };
  }

  test("both tabs list both visitors, the own one marked", TEST, async (t) => {
    const { tabs, names } = await two(visit(t));
    assert.notEqual(names[0], names[1]);
    for (const [i, tab] of tabs.entries()) {
      const own = tab.page.locator(".people .person", { has: tab.page.getByText("you", { exact: true }) });
      assert.deepEqual(await own.locator(".who").allTextContents(), [names[i]]);
      assert.equal(await tab.page.locator(".card", { hasText: "Who is here" }).locator(".head .chip").textContent(), "2");
      assert.deepEqual(tab.complaints, []);
      assert.equal(await issues(tab), "");
    }
  });

  test("beside a Sealcast elsewhere, the page does not say that all stays on this machine", TEST, async (t) => {
    const { page } = await visit(t).openTab();
    const readers = page.locator(".card", { hasText: "Who can read a message" });
    await readers.waitFor();
    assert.match(await readers.textContent(), /Here nothing leaves this machine/);
    await page.route("**/config.json", async (route) => {
      const config = await (await route.fetch()).json();
      await route.fulfill({ json: { ...config, url: "http://sealcast.example" } });
    });
    await page.reload();
    await readers.waitFor();
    assert.doesNotMatch(await readers.textContent(), /nothing leaves/);
  });

  test("what is typed while a message leaves is the next message, and one that is refused comes back", TEST, async (t) => {
    const { openTab } = visit(t);
    const tab = await openTab();
    await connected(tab);
    let answer;
    let isAsked = false;
    await tab.page.route("**/messages", async (route) => {
      isAsked = true;
      await new Promise((resolve) => (answer = resolve));
      await route.continue();
    }, { times: 2 });
    for (const [first, next, left] of [["a first one", "the next", "the next"], ["x".repeat(70_000), " again", `${"x".repeat(70_000)}\n again`]]) {
      isAsked = false;
      await field(tab).fill(first);
      await field(tab).press("Enter");
      await eventually("the request", () => isAsked);
      await field(tab).pressSequentially(next);
      answer();
      await eventually("the end of sending", async () => (await tab.page.locator("form.write").getAttribute("aria-busy")) === "false");
      assert.equal(await field(tab).inputValue(), left);
    }
  });

  test("plain text goes in, a sealed frame travels, both tabs open it", TEST, async (t) => {
    const { tabs, names } = await two(visit(t));
    const text = "The harbour gate opens at half past four; bring the blue folder.";
    await say(tabs[0], text);

    const frames = [];
    for (const tab of tabs) {
      const { who, frame } = await newest(tab, text);
      frames.push(frame, (await newest(tab, text, "jetsocket")).frame);
      assert.equal(who, names[0]);
      assert.ok(tab.received.includes(frame), "the frame shown is one the browser received, to the character");
      assert.ok(!tab.received.some((other) => other.includes("harbour")), "no frame holds the plain text");

      const { event, channel, data, ...rest } = JSON.parse(frame);
      assert.equal(event, "message");
      assert.equal(channel, "private-encrypted-staff.quickstart");
      assert.deepEqual(rest, {});
      const envelope = JSON.parse(data);
      assert.deepEqual(Object.keys(envelope).sort(), ["ciphertext", "nonce"]);
      assert.equal(Buffer.from(envelope.nonce, "base64").length, 24);
      assert.ok(Buffer.from(envelope.ciphertext, "base64").length > text.length);
      assert.deepEqual(tab.complaints, []);
    }
    assert.equal(new Set(frames).size, 1, "one sealing serves all subscribers, of both dialects");

    const seen = (tab) => tab.page.locator(".wire .frame").textContent();
    assert.ok((await seen(tabs[0])).includes(text), "the backend posts plain text");
    assert.equal(await seen(tabs[1]), frames[0], "another tab has seen what went out");

    await say(tabs[1], "Understood. The blue one, not the green one.");
    await newest(tabs[0], "Understood. The blue one, not the green one.");
    await screenshots(tabs[0].page);
  });

  async function screenshots(page) {
    await screenshot(page, "light");
    await page.emulateMedia({ colorScheme: "dark" });
    await screenshot(page, "dark");
    await page.setViewportSize({ width: 390, height: 844 });
    await screenshot(page, "narrow-dark");
    await page.emulateMedia({ colorScheme: "light" });
    await screenshot(page, "narrow");
  }

  test("markup in a message or a name is shown as text", TEST, async (t) => {
    const { tabs, names } = await two(visit(t));
    const markup = `<img src=x onerror="document.title='owned'"><b>bold</b>`;
    const name = `<i>Italic</i> & Co`;
    await tabs[0].page.getByLabel("Your name").fill(name);
    await tabs[0].page.getByRole("button", { name: "Change" }).click();
    await seesPeople(tabs[1], [name, names[1]]);
    await eventually("the change of name in the log", async () =>
      (await tabs[1].page.locator(".log li").allTextContents()).includes(`${names[0]} is now ${name}`));

    await say(tabs[0], markup);
    for (const tab of tabs) {
      const { who, html } = await newest(tab, markup);
      assert.equal(who, name);
      assert.ok(html.startsWith("&lt;img"), html);
      assert.equal(await tab.page.locator(".feed img, .feed b, .people i").count(), 0);
      assert.equal(await tab.page.title(), "Sealcast quickstart");
      assert.deepEqual(tab.complaints, []);
    }
  });

  test("long words and names do not make a narrow page wider", TEST, async (t) => {
    const { tabs, names } = await two(visit(t));
    const name = "W".repeat(40);
    await tabs[0].page.getByLabel("Your name").fill(name);
    await tabs[0].page.getByRole("button", { name: "Change" }).click();
    await seesPeople(tabs[1], [name, names[1]]);
    const text = "unbroken".repeat(60);
    await say(tabs[0], text);
    await newest(tabs[1], text);
    const { page } = tabs[1];
    await page.bringToFront();
    await page.getByText("Every frame of").click();
    await page.setViewportSize({ width: 340, height: 740 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 340);
  });

  test("a third tab is seen coming and leaving", TEST, async (t) => {
    const r = visit(t);
    const { tabs, names } = await two(r);
    const third = await r.openTab();
    const thirdName = await nameIn(third);
    for (const tab of [...tabs, third]) await seesPeople(tab, [...names, thirdName]);

    await third.page.close();
    for (const tab of tabs) {
      await seesPeople(tab, names);
      await eventually("the leave in the log", async () =>
        (await tab.page.locator(".log li").first().textContent()) === `${thirdName} left`);
    }
  });

  test("a refused trigger shows the server's own text, and the next good one clears it", TEST, async (t) => {
    const { tabs } = await two(visit(t));
    await say(tabs[0], "x".repeat(20_000));
    const shown = await eventually("the refusal", () => issues(tabs[0]));
    assert.match(shown, /^\s*The server refused the message \(413\): \S.*\d/s);
    assert.equal(await tabs[0].page.locator(".message").count(), 0);
    assert.equal((await field(tabs[0]).inputValue()).length, 20_000);

    await say(tabs[0], "shorter");
    await newest(tabs[1], "shorter");
    await eventually("no issue", async () => (await issues(tabs[0])).trim() === "");
  });

  test("a wrong secret is refused in the server's words", TEST, async (t) => {
    const r = await rig(t, browser, { SEALCAST_APP_SECRET: "another-secret" });
    const tab = await r.openTab();
    await connected(tab);
    await say(tab, "hello");
    const shown = await eventually("the refusal", () => issues(tab));
    assert.match(shown, /The server refused the message \(401\): \S/);
    assert.ok(!shown.includes("auth_signature"), shown);
  });

  test("an unknown app is explained by the server, and the tab does not go on trying", TEST, async (t) => {
    const r = await rig(t, browser, { SEALCAST_APP_KEY: "no-such-key" });
    const tab = await r.openTab();
    await eventually("refused", async () => (await state(tab)) === "Refused");
    assert.match(await tab.page.locator(".line").innerText(), /The server says: .*no-such-key/);
    const words = () => tab.page.locator(".panel-state").allTextContents();
    await eventually("both clients to give up", async () => (await words()).every((word) => word === "Given up"));
  });

  test("a stopped server is named with the way to start it, and its return is noticed", TEST, async (t) => {
    const r = await rig(t, browser);
    const { tabs, names } = await two(r);
    assert.equal(await r.sealcast.stop(), 0, "the server ends by itself on SIGTERM");

    const sentence = `Sealcast is not reachable at ${r.sealcast.url}. Start it with: sealcast serve --dev`;
    for (const tab of tabs) {
      await eventually("the sentence", async () => (await issues(tab)).includes(sentence));
      await eventually("the state", async () => (await state(tab)) === "Reconnecting");
      assert.deepEqual(await people(tab), []);
      assert.equal(await tab.page.getByRole("button", { name: "Send" }).isEnabled(), false);
    }
    await screenshot(tabs[0].page, "stopped");

    await r.restartSealcast();
    for (const tab of tabs) {
      await eventually("live again", async () => (await state(tab)) === "Live", 45_000);
      await seesPeople(tab, names);
      assert.equal(await issues(tab), "");
    }
    await say(tabs[1], "back again");
    // Nobody pressed "Try now": both clients came back by themselves.
    for (const panel of ["pusher", "jetsocket"]) await newest(tabs[0], "back again", panel);
  });

  test("the backend says when it cannot reach the server", TEST, async (t) => {
    const r = await rig(t, browser);
    await r.sealcast.stop();
    const answer = await fetch(`${r.quickstart.url}/messages`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Origin: r.quickstart.url },
      body: JSON.stringify({ id: "1", name: "guest", text: "hello" }),
      signal: AbortSignal.timeout(10_000),
    });
    assert.equal(answer.status, 502);
    const { error } = await answer.json();
    assert.equal(
      error,
      `The backend cannot reach Sealcast at ${r.sealcast.url}. Start it with: sealcast serve --dev`,
    );
  });

  test("other pages cannot post through the backend, and files outside the page are not served", TEST, async (t) => {
    const r = visit(t);
    const ask = (path, init) => fetch(r.quickstart.url + path, { ...init, signal: AbortSignal.timeout(10_000) });
    const message = JSON.stringify({ id: "1", name: "guest", text: "hello" });
    const json = { "Content-Type": "application/json" };

    const foreign = { method: "POST", headers: { ...json, Origin: "http://example.com" }, body: message };
    assert.equal((await ask("/messages", foreign)).status, 403);
    assert.equal((await ask("/messages", { method: "POST", headers: json, body: message })).status, 403);
    const plain = { "Content-Type": "text/plain", Origin: r.quickstart.url };
    assert.equal((await ask("/messages", { method: "POST", headers: plain, body: message })).status, 415);
    assert.equal((await ask("/", { method: "DELETE" })).status, 405);
    for (const path of ["/server.mjs", "/..%2fserver.mjs", "/package.json", "/constructor", "/token", "/rotation"]) {
      assert.equal((await ask(path)).status, 404, path);
    }
    const secret = await (await ask("/config.json")).text();
    assert.ok(!secret.includes("app-secret"));
    assert.match((await ask("/")).headers.get("content-security-policy"), /default-src 'none'.*script-src 'self';/);
  });
});
