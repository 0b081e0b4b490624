// Planning poker on bad lines and over time: blocked streams, no line, restarts, expiry, wrong clocks, no storage.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually, launchBrowser, startApp } from "./apps.mjs";
import { join, laid, LINE, linkOf, openTable, outsider, PHONE, saw, seats, stateOf, TEST, vote } from "./apps/poker.mjs";

const allow = LINE;

// Two at a time: most of the time is waiting.
describe("planning poker over time", { concurrency: 2 }, () => {
  let browser;
  before(async () => {
    browser = await launchBrowser();
  }, TEST);
  after(() => browser?.close(), TEST);
  const start = (t, env = {}) => startApp(t, "planning-poker", { browser, env });

  test("with the stream blocked, the table is asked and still lives", TEST, async (t) => {
    const app = await start(t);
    const mara = await app.open("/", { allow });
    await mara.context.route(/\/sse\?/, (route) => route.abort());
    await openTable(mara.page, "Mara");
    await saw(mara.page, "The live stream is blocked here");
    assert.equal(await stateOf(mara.page), "Live");
    await app.pictures(mara.page, "polling", PHONE);
    const unchanged = mara.page.waitForResponse((response) => response.status() === 304);
    const jonas = await join(app, await linkOf(mara.page), "Jonas");
    await vote(jonas.page, "8");
    await eventually("the card of the other", async () => (await laid(mara.page, "back")).includes("Jonas"));
    await unchanged;
    await vote(mara.page, "3");
    await eventually("the own card there", async () => (await laid(jonas.page, "back")).includes("Mara"));
    app.assertQuiet();
  });

  test("without a line changes wait, sealed, over a reload too, and 100 leave together", TEST, async (t) => {
    const app = await start(t);
    const mara = await app.open("/", { allow });
    await openTable(mara.page, "Mara");
    const link = await linkOf(mara.page);
    const jonas = await join(app, link, "Jonas", { allow });
    await vote(jonas.page, "8");
    await eventually("a card", async () => (await laid(mara.page, "back")).includes("Jonas"));
    const stranger = await outsider(app, link);
    const { version } = await stranger.read();

    app.line.down();
    await saw(mara.page, "No connection.", ".line");
    await mara.page.evaluate(async () => {
      const cards = [...document.querySelectorAll(".deck input")];
      for (let i = 0; i < 100; i++) cards[i % 8].click();
    });
    await saw(mara.page, "100 changes wait here.", ".line");
    assert.deepEqual(await laid(mara.page, "back"), ["Jonas", "You"]);
    await saw(mara.page, "Nothing leaves this browser");
    // An attempt does not count as having left.
    await mara.page.waitForEvent("requestfailed", (request) => request.url().endsWith("/events"));
    await saw(mara.page, "Nothing leaves this browser");
    await app.pictures(mara.page, "reconnecting", PHONE);
    assert.doesNotMatch(await mara.page.evaluate(() => sessionStorage.getItem("pp-outbox")), /vote|kind/);
    await mara.page.reload();
    await saw(mara.page, "100 changes wait here.", ".line");
    await mara.context.setOffline(true);
    await saw(mara.page, "You are offline.", ".line");
    await app.pictures(mara.page, "offline", PHONE);
    await mara.context.setOffline(false);
    app.line.up();

    await eventually("all of it there", async () => (await stranger.read()).state.seats.find(({ name }) => name === "Mara").card === "03");
    const after = await stranger.read();
    assert.ok(after.version - version <= 3, `${after.version - version} writes for 100 changes`);
    await saw(mara.page, "Live", ".state");
    app.assertQuiet();
  });

  test("a card of a round that is over comes too late, and says so", TEST, async (t) => {
    const app = await start(t);
    const mara = await app.open("/", { allow });
    await openTable(mara.page, "Mara");
    const jonas = await join(app, await linkOf(mara.page), "Jonas", { allow });
    await vote(jonas.page, "8");
    await eventually("a card", async () => (await laid(mara.page, "back")).includes("Jonas"));
    await mara.context.route(/\/app\//, (route) => route.abort());
    app.line.cut();
    await saw(mara.page, "No connection.", ".line");
    await vote(mara.page, "13");
    await jonas.page.getByRole("button", { name: "Turn the cards" }).click();
    await jonas.page.getByRole("button", { name: "Vote again" }).click();
    await mara.context.unroute(/\/app\//);
    await saw(mara.page, "Your card came too late");
    assert.deepEqual(await laid(mara.page, "back"), []);
    await saw(mara.page, "2 changes came while you were away");
    await app.pictures(mara.page, "caught-up", PHONE);
    app.assertQuiet();
  });

  test("Sealcast restarts in the midst: whoever has the table puts it back", TEST, async (t) => {
    const app = await start(t);
    const mara = await app.open("/", { allow });
    await openTable(mara.page, "Mara");
    const link = await linkOf(mara.page);
    const jonas = await join(app, link, "Jonas", { allow });
    await vote(jonas.page, "8");
    await eventually("a card", async () => (await laid(mara.page, "back")).includes("Jonas"));
    const stranger = await outsider(app, link);
    await app.restartSealcast("SIGKILL");
    await eventually("the table as it was", async () => (await stranger.read().catch(() => null))?.state.seats.some(({ card }) => card === "06"));
    await saw(jonas.page, "Some changes are gone here");
    await app.pictures(jonas.page, "gap", PHONE);
    await vote(mara.page, "5");
    for (const { page } of [mara, jonas]) {
      await saw(page, "Live", ".state");
      await eventually("both cards", async () => (await laid(page, "back")).length === 2);
    }
    await eventually("the table with both", async () => (await stranger.read())?.state.seats.every(({ card }) => card !== "--"));
    app.assertQuiet();
  });

  test("a table that is changed by nobody expires, and is renewed while somebody is there", TEST, async (t) => {
    const app = await start(t, { ROOM_IDLE: "3s", ROOM_VACANT: "1s", ROOM_RENEW_MS: "800", ROOM_AWAY_MS: "1000" });
    const mara = await app.open("/", { allow });
    await openTable(mara.page, "Mara");
    const link = await linkOf(mara.page);
    const stranger = await outsider(app, link);
    const last = async () => (await stranger.client.last(stranger.channel)).position ?? null;
    const { version } = await eventually("a table", () => stranger.read());
    const positions = new Set();
    await eventually("five renewals", async () => positions.add(await last()).size > 5);
    assert.equal(positions.has(null), false, "never gone meanwhile");
    assert.equal((await stranger.read()).version, version, "renewed as it was");
    await mara.page.goto("about:blank");
    await eventually("nothing after the last player has left", async () => (await last()) === null);
    // The tab that comes back has it still. Somebody may have closed the table meanwhile, so a person has to say.
    await mara.page.goBack();
    await saw(mara.page, "The server has no such table any more");
    await app.pictures(mara.page, "in-doubt", PHONE);
    assert.equal(await last(), null, "nothing comes back by itself");
    await mara.page.getByRole("button", { name: "Put it back" }).click();
    await saw(mara.page, "The server had lost this table");
    await app.pictures(mara.page, "put-back", PHONE);
    await eventually("the table again", async () => (await stranger.read())?.version === version);
    app.assertQuiet();
  });

  test("a tab that wakes after a day, a clock that is wrong, an expired table with a newcomer", TEST, async (t) => {
    const app = await start(t, { ROOM_IDLE: "2s", ROOM_AWAY_MS: String(2 * 86_400_000) });
    const mara = await app.open("/", { allow });
    await mara.page.clock.install({ time: new Date("1999-12-31") });
    await mara.page.reload();
    await openTable(mara.page, "Mara");
    const link = await linkOf(mara.page);
    const stranger = await outsider(app, link);
    await eventually("nothing after the idle time", async () => (await stranger.client.last(stranger.channel)).status === "empty");
    // A newcomer begins anew, and both tables become one.
    const jonas = await join(app, link, "Jonas");
    for (const page of [mara.page, jonas.page]) await eventually("both seats", async () => (await seats(page)).length === 2);
    const hide = (isHidden) => mara.page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isHidden);
    await hide(true);
    await mara.page.clock.fastForward(31_000);
    await saw(jonas.page, "away", ".seat");
    await hide(false);
    await eventually("nobody away", async () => (await jonas.page.locator('.seat[data-away="true"]').count()) === 0);
    const tokens = [];
    mara.page.on("request", (request) => request.url().endsWith("/token") && tokens.push(request.url()));
    await mara.page.clock.fastForward("24:00:00");
    await eventually("a new token", () => tokens.length > 0);
    await vote(mara.page, "5");
    await eventually("the card there", async () => (await laid(jonas.page, "back")).includes("Mara"));
    await saw(mara.page, "Live", ".state");
    app.assertQuiet();
  });

  test("closed for all: empty on the server, closed for those who come later", TEST, async (t) => {
    const app = await start(t);
    const mara = await app.open();
    await openTable(mara.page, "Mara");
    const link = await linkOf(mara.page);
    const jonas = await join(app, link, "Jonas");
    await mara.page.getByRole("button", { name: "Close for all" }).click();
    await app.pictures(mara.page, "close", PHONE);
    await mara.page.locator("dialog").getByRole("button", { name: "Close for all" }).click();
    for (const { page } of [mara, jonas]) {
      await saw(page, "This table is closed");
      // The log has them until then: the page must not say that they are gone.
      await saw(page, "drops its sealed older versions 5 minutes after");
    }
    await app.pictures(jonas.page, "closed", PHONE);
    const { state } = await (await outsider(app, link)).read();
    assert.deepEqual([state.closed, state.seats, state.stories, state.story], [1, [], [], ""]);
    for (const { page } of [mara, jonas]) assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    await mara.page.getByRole("button", { name: "Open another table" }).click();
    await mara.page.getByLabel("Your name").fill("Mara");
    await mara.page.getByRole("button", { name: "Sit down" }).click();
    await saw(mara.page, "What do you estimate?");
    assert.doesNotMatch(await mara.page.locator(".notes").innerText(), /two tabs/, "the table before was this tab's own");
    let answer;
    await jonas.page.route("**/config.json", (route) => (answer = () => route.continue()));
    await jonas.page.goto(new URL(link, app.url).href);
    await jonas.page.locator(".skel").first().waitFor();
    assert.equal(await stateOf(jonas.page), "Loading");
    await app.pictures(jonas.page, "loading", PHONE);
    await answer();
    await saw(jonas.page, "This table is closed");

    await jonas.context.addInitScript(() => Object.defineProperty(window, "isSecureContext", { get: () => false }));
    await jonas.page.reload();
    await saw(jonas.page, "Browsers encrypt only on secure pages");
    await app.pictures(jonas.page, "insecure", PHONE);
    app.assertQuiet();
  });

  test("no storage, a second tab of one seat, and a backend that refuses are states", TEST, async (t) => {
    const app = await start(t, { TOKENS_PER_MINUTE: "7" });
    const mara = await app.open("/", { allow: [...allow, /status of 429/] });
    await openTable(mara.page, "Mara");
    const link = await linkOf(mara.page);
    // A duplicated tab gets a copy of the session.
    const [copy] = await Promise.all([mara.context.waitForEvent("page"), mara.page.evaluate(() => void window.open("/"))]);
    await saw(copy, "You sit here in two tabs.");
    await app.pictures(copy, "two-tabs", PHONE);
    await copy.close();

    await mara.context.addInitScript(() => {
      for (const name of ["getItem", "setItem", "removeItem"]) {
        Storage.prototype[name] = () => {
          throw new DOMException("no", "SecurityError");
        };
      }
    });
    const bare = await mara.open(link);
    await saw(bare, "This browser keeps nothing");
    await bare.getByLabel("Your name").fill("Ben");
    await bare.getByRole("button", { name: "Sit down" }).click();
    await eventually("both seats", async () => (await seats(bare)).length === 2);
    await app.pictures(bare, "no-storage", PHONE);

    // Somebody with the same address takes every request that the rate still allows.
    const taking = setInterval(() => fetch(`${app.url}/config.json`).catch(() => {}), 100);
    try {
      await eventually("a refusal", async () => (await fetch(`${app.url}/config.json`)).status === 429);
      // Now and then the page itself takes the request that the rate allows again.
      await eventually("the page's refusal", async () => {
        await bare.goto("about:blank");
        await bare.goto(new URL(link, app.url).href);
        const refused = bare.getByText("Too many requests");
        await refused.or(bare.getByLabel("Your name")).first().waitFor();
        return (await refused.count()) > 0;
      });
    } finally {
      clearInterval(taking);
    }
    await app.pictures(bare, "refused", PHONE);
    app.assertQuiet();
  });
});
