// Planning poker in a browser: keys and links, a round of several players, attacks by those who know the room.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openLink } from "../../examples/planning-poker/public/link.js";
import { emptyTable } from "../../examples/planning-poker/public/table.js";
import { eventually, launchBrowser, startApp } from "./apps.mjs";
import { join, laid, linkOf, openTable, outsider, PHONE, saw, seats, sit, stateOf, TEST, vote } from "./apps/poker.mjs";

const PLANTED = { story: "Refund of the harbour gate “north” ½", name: "Marabelle Quistgård", watcher: "Noorvenka Ø" };

describe("planning poker", () => {
  let browser;
  before(async () => {
    browser = await launchBrowser();
  }, TEST);
  after(() => browser?.close(), TEST);
  const start = (t, options) => startApp(t, "planning-poker", { browser, ...options });

  test("the key stays in the tab: written once, not extractable, in no request", TEST, async (t) => {
    const app = await start(t);
    const ann = await app.open();
    assert.equal(await stateOf(ann.page), "Ready");
    await app.pictures(ann.page, "home", PHONE);
    await ann.context.addInitScript(() => {
      window.made = [];
      for (const name of ["importKey", "deriveKey"]) {
        const original = SubtleCrypto.prototype[name];
        SubtleCrypto.prototype[name] = async function (...args) {
          const key = await original.apply(this, args);
          window.made.push(key);
          return key;
        };
      }
    });
    await ann.page.reload();
    await openTable(ann.page, "Mara");
    const made = await ann.page.evaluate(() => Promise.all(window.made.map(async (key) =>
      [key.algorithm.name, key.extractable, await crypto.subtle.exportKey("raw", key).then(() => "exported", () => "refused")])));
    assert.deepEqual(made, [["HKDF", false, "refused"], ["AES-GCM", false, "refused"], ["AES-GCM", false, "refused"]]);

    const link = await linkOf(ann.page);
    const ben = await join(app, link, "Ben");
    assert.equal(await ben.page.evaluate(() => location.href), `${app.url}/`, "the fragment has left the address bar");
    // Another key in the same tab: the table stays.
    await ben.page.goto(new URL(`/#k=${"B".repeat(42)}A`, app.url).href);
    await saw(ben.page, "That link leads to another table");
    await ben.page.goto(new URL("/#k=tooshort", app.url).href);
    await saw(ben.page, "That link has no whole key");
    await app.pictures(ben.page, "other-key", PHONE);
    assert.equal(await linkOf(ben.page), link);
    await ben.page.reload();
    await saw(ben.page, "Mara", ".seat");
    assert.deepEqual(await seats(ben.page), ["Mara", "You"], "a reload keeps the seat");

    await ben.page.getByRole("button", { name: "Leave" }).click();
    await saw(ben.page, "Estimate together");
    await eventually("one seat less", async () => (await seats(ann.page)).length === 1);
    for (const [path, text, name] of [[`/#k=${"A".repeat(42)}`, "This link has no key", "broken-link"],
      [`/#k=${"A".repeat(43)}`, "The table is empty. If you expected people", "empty-room"]]) {
      await ben.page.goto(new URL(path, app.url).href);
      await saw(ben.page, text);
      await app.pictures(ben.page, name, PHONE);
    }

    const key = link.slice(4);
    assert.deepEqual(await app.searchFor([key, Buffer.from(key, "base64url").toString("hex")]), []);
    app.assertQuiet();
  });

  test("a round: sealed votes, two at once, all cards together, a late joiner, the estimate", TEST, async (t) => {
    const app = await start(t);
    const mara = await app.open();
    await openTable(mara.page, PLANTED.name);
    await mara.page.getByLabel("What do you estimate?").fill(PLANTED.story);
    await mara.page.keyboard.press("Enter");
    const link = await linkOf(mara.page);
    const [jonas, noor] = await Promise.all([join(app, link, "Jonas"), join(app, link, PLANTED.watcher, { watches: true })]);
    await saw(mara.page, `${PLANTED.watcher} is watching`);
    await app.pictures(noor.page, "watching", PHONE);

    // Two at once: both count.
    await Promise.all([vote(mara.page, "5"), vote(jonas.page, "5")]);
    for (const { page } of [mara, jonas, noor]) await saw(page, "2 of 2 have voted");
    const faces = await noor.page.locator('.pcard[data-state="back"] .face').allTextContents();
    assert.deepEqual(faces, ["", ""], "face down, no number is in the page");

    const tomas = await join(app, link, "Tomás");
    await saw(mara.page, "2 of 3 have voted");
    // The two pictures of the README; every size and theme comes with the cards up.
    await app.pictures(mara.page, "table", { sizes: [[1280, 800]], themes: ["light"] });
    await app.pictures(mara.page, "table", PHONE);
    await noor.page.getByRole("button", { name: "Take a seat" }).click();
    await vote(tomas.page, "13");
    await vote(noor.page, "5");
    await saw(mara.page, "4 of 4 have voted");
    await mara.page.getByRole("button", { name: "Turn the cards" }).focus();
    await mara.page.keyboard.press("Enter");
    await saw(tomas.page, "You are furthest out.");
    assert.deepEqual((await laid(jonas.page, "up")).sort(), [PLANTED.name, PLANTED.watcher, "Tomás", "You"].sort());
    await saw(mara.page, "The cards are up. Mostly 5.", "#announcer", { hidden: true });
    assert.equal(await mara.page.evaluate(() => document.activeElement.textContent), "Take the 5", "the focus goes to the next button");
    await app.pictures(mara.page, "up");

    // Who comes after the turn sees the same.
    await tomas.page.reload();
    await saw(tomas.page, "You are furthest out.");
    await mara.page.getByRole("button", { name: "Take the 5" }).click();
    for (const { page } of [jonas, tomas]) await saw(page, PLANTED.story, ".stories li");
    await saw(jonas.page, "sum 5");

    // What travelled is what the panel shows, to the letter.
    const shown = await mara.page.locator(".frame").textContent();
    await eventually("the frame on the line", async () => (await app.sources(/^line \d+ to/)).some(({ bytes }) => bytes.includes(shown)));
    assert.match(JSON.parse(shown).data, /^[\w-]{16}\.[\w-]{1000,}$/);
    assert.deepEqual(await app.searchFor([PLANTED.story, PLANTED.name, PLANTED.watcher]), []);
    app.assertQuiet();
  });

  test("no card is longer than another, and everything works by keyboard", TEST, async (t) => {
    const app = await start(t);
    const { page } = await app.open();
    const sizes = new Set();
    const press = async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    await page.getByRole("button", { name: "Open a table" }).focus();
    await press("Enter");
    await page.getByLabel("Your name").waitFor();
    await page.keyboard.type("<img src=x onerror=1>");
    await press("Enter");
    await page.getByLabel("What do you estimate?").focus();
    await page.keyboard.type("<b>A gate</b>");
    await press("Enter");
    await saw(page, "<b>A gate</b>", "h1");
    assert.equal(await page.locator("img, h1 b").count(), 0, "markup stays text");

    const sent = () => page.waitForResponse((response) => response.url().endsWith("/events") && response.status() === 200)
      .then((response) => sizes.add(response.request().postDataBuffer().length));
    await page.getByRole("radio", { name: "0", exact: true }).focus();
    let wait = sent();
    await press("Space");
    await wait;
    for (const label of ["one half", "1", "2", "3", "5", "8", "13", "not sure", "a break, please"]) {
      wait = sent();
      await press("ArrowRight");
      await wait;
      assert.equal(await page.getByRole("radio", { name: label, exact: true }).isChecked(), true, label);
    }
    await saw(page, "1 of 1 has voted");
    wait = sent();
    await page.getByRole("button", { name: "Turn the cards" }).press("Enter");
    await wait;
    await saw(page, "a break", ".verdict");
    assert.equal(sizes.size, 1, [...sizes].join());

    await page.getByRole("button", { name: "Show as QR code" }).press("Enter");
    await page.getByRole("img", { name: "QR code of the link to this table" }).waitFor();
    await app.pictures(page, "qr", PHONE);
    await press("Escape");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Show as QR code");
    app.assertQuiet();
  });

  test("who knows the room, but not the key, reads nothing and spoils nothing for long", TEST, async (t) => {
    const app = await start(t);
    const mara = await app.open();
    await openTable(mara.page, "Mara");
    const link = await linkOf(mara.page);
    const stranger = await outsider(app, link);
    const rejected = async (channel, data, code) => assert.rejects(stranger.client.publish(channel, "client-state", data), { code }, channel);
    await rejected(stranger.channel, '{"vote":5}', "plaintext_refused");
    await rejected(stranger.channel.replace("private-cache", "presence"), '{"vote":5}', "plaintext_refused");
    await rejected(`private-cache-pp-${"0".repeat(32)}`, "A".repeat(16), "forbidden");
    await assert.rejects(stranger.client.history(stranger.channel), { status: 403 });
    await assert.rejects(stranger.client.clear(stranger.channel), { status: 403 });
    for (const body of ["{}", '{"player":"../x"}', '{"player":7}']) assert.equal((await stranger.ask(body)).status, 400, body);

    const jonas = await join(app, link, "Jonas");
    const old = (await stranger.client.last(stranger.channel)).event.data;
    await vote(jonas.page, "8");
    await eventually("one card", async () => (await laid(mara.page, "back")).length === 1);
    const newest = () => stranger.read().then(({ state }) => state, () => null);
    const frames = {
      replayed: old,
      altered: `${old.slice(0, 20)}${old[20] === "A" ? "B" : "A"}${old.slice(21)}`,
      foreign: await (await openLink(`${"B".repeat(42)}A`)).seal({ version: 99, applied: [], state: {} }),
      misshapen: await stranger.keys.seal({ version: 99, applied: [], state: { seats: "<b>" } }),
    };
    for (const [what, frame] of Object.entries(frames)) {
      await stranger.client.publish(stranger.channel, "client-state", frame);
      await eventually(`the table in place of the ${what} frame`, async () => (await newest())?.seats?.some?.(({ card }) => card === "06"));
      assert.deepEqual(await laid(mara.page, "back"), ["Jonas"], what);
      assert.deepEqual(await laid(jonas.page, "back"), ["You"], what);
      if (what !== "replayed") await saw(mara.page, "Something here does not open");
    }
    await app.pictures(mara.page, "altered", PHONE);
    app.assertQuiet();
  });

  test("the 25th person sees that the table is full, and gets the first free seat", TEST, async (t) => {
    const app = await start(t);
    const link = `/#k=${"D".repeat(42)}A`;
    const stranger = await outsider(app, link);
    const all = Array.from({ length: 24 }, (_, i) => ({ id: String(i).padStart(32, "0"), name: `Player ${i}`, watches: 0, card: "--" }));
    const publish = async (version, taken) =>
      stranger.client.publish(stranger.channel, "client-state", await stranger.keys.seal({ version, applied: [], state: { ...emptyTable(), seats: taken } }));
    await publish(1, all);
    const { page } = await app.open(link);
    await saw(page, "All 24 seats are taken.");
    await sit(page, "Jonas", false);
    await saw(page, "All seats are taken", ".notes");
    await page.locator(".hand").first().waitFor({ state: "hidden" });
    await app.pictures(page, "full", PHONE);
    await publish(2, all.slice(1));
    await eventually("a seat", async () => (await seats(page)).at(-1) === "You");
    await page.locator(".notes").waitFor({ state: "hidden" });
    await vote(page, "5");
    await eventually("a card", async () => (await laid(page, "back")).includes("You"));
    app.assertQuiet();
  });

  test("a newcomer to a spoilt room sees why, and spoils nothing more", TEST, async (t) => {
    const app = await start(t);
    const link = `/#k=${"C".repeat(42)}A`;
    const stranger = await outsider(app, link);
    const garbage = `${"A".repeat(16)}.${"A8".repeat(40)}`;
    await stranger.client.publish(stranger.channel, "client-state", garbage);
    const { page } = await app.open(link);
    await saw(page, "This key does not open it");
    await app.pictures(page, "key-wrong", PHONE);
    await page.getByLabel("Your name").waitFor({ state: "hidden" });
    assert.equal((await stranger.client.last(stranger.channel)).event.data, garbage);
    app.assertQuiet();
  });
});
