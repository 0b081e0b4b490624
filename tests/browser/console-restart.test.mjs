// A server that ends and comes back under the page, and a page that is hidden for long.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { goTo, isConnected, signedIn } from "./console-page.mjs";
import { SEALED, startConsole, traffic } from "./console-rig.mjs";
import { eventually, launchBrowser } from "./support.mjs";

let browser;
before(async () => { browser = await launchBrowser(); });
after(() => browser?.close());

const LOST = [/ERR_CONNECTION_REFUSED/, /WebSocket connection to/, /ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/];
const rows = (tab) => tab.page.locator("[data-seq]");

/** Visibility as a browser reports it for a tab in the background. */
const setHidden = (page, hidden) => page.evaluate((value) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (value ? "hidden" : "visible") });
  document.dispatchEvent(new Event("visibilitychange"));
}, hidden);

describe("the console and time", () => {
  test("a server that is killed: state line, panel, the filter, a row for the gap, and live again", async (t) => {
    const server = await startConsole(t);
    const { send } = await traffic(t, server);
    const tab = await signedIn(t, browser, server, { allow: LOST });
    await goTo(tab.page, "live", "?channel=private-*");
    await eventually("entries", async () => (await send(), (await rows(tab).count()) > 1));
    await server.stop("SIGKILL");
    await tab.page.locator(".live", { hasText: "Not connected, trying again" }).waitFor();
    const before = await rows(tab).count();
    assert.ok(before > 1, "the entries stay");

    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await server.again();
    const panel = tab.page.locator("dialog.signin");
    await panel.waitFor();
    await panel.getByLabel("Admin token").fill(server.secrets.adminToken);
    await tab.page.keyboard.press("Enter");
    await isConnected(tab.page);
    await tab.page.locator(".entries tr.missed", { hasText: /\d+ s not seen/ }).waitFor();
    await tab.page.locator(".token code", { hasText: "private-*" }).waitFor();
    await eventually("an entry of the new server", async () => {
      await server.api.trigger(["private-room", "news"], "after the restart", { a: 1 });
      return (await tab.page.locator(".entries tr", { hasText: "after the restart" }).count()) > 0;
    });
    assert.equal(await tab.page.locator(".entries .chan", { hasText: "news" }).count(), 0, "the filter is in force");
    assert.deepEqual(tab.complaints, []);
  });

  test("a hidden page stops its watches after a while, and takes them up again", async (t) => {
    const server = await startConsole(t);
    const { send } = await traffic(t, server);
    const tab = await signedIn(t, browser, server, { allow: LOST });
    await tab.page.clock.install();
    await goTo(tab.page, "live");
    await isConnected(tab.page);
    await eventually("entries", async () => {
      await send();
      await tab.page.clock.runFor(200);
      return (await rows(tab).count()) > 1;
    });
    const stops = () => tab.frames("sent").filter(({ stop }) => stop !== undefined).length;
    const already = stops();
    await setHidden(tab.page, true);
    await tab.page.clock.runFor(20_000);
    assert.equal(stops(), already, "a short look elsewhere ends nothing");
    await tab.page.clock.runFor(15_000);
    await eventually("the end of the watches", () => stops() > already);
    assert.match(await tab.page.locator(".live").innerText(), /Paused while hidden/);

    await new Promise((resolve) => setTimeout(resolve, 500));
    const frames = tab.frames().length;
    await send();
    await tab.page.clock.runFor(3_600_000);
    assert.equal(tab.frames().length, frames, "nothing comes to a hidden page");
    await setHidden(tab.page, false);
    await eventually("the page awake", async () => {
      await tab.page.clock.runFor(200);
      await send();
      return tab.frames().slice(frames).some(({ entries }) => entries?.some(({ channel }) => channel === SEALED));
    });
    await eventually("the row of the gap", async () => {
      await tab.page.clock.runFor(200);
      return (await tab.page.locator(".entries tr.missed", { hasText: "60 min not seen" }).count()) > 0;
    });
    assert.deepEqual(tab.complaints, []);
  });
});
