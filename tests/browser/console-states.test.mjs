// The states of the screens: loading, error, offline and signed out. The server is the real one; its
// answers are held back or replaced on their way.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { findings, findingsAtAllWidths, goTo, isConnected, openPage, signedIn } from "./console-page.mjs";
import { startConsole } from "./console-rig.mjs";
import { eventually, launchBrowser } from "./support.mjs";

let browser;
before(async () => { browser = await launchBrowser(); });
after(() => browser?.close());

/** The screens that ask the server before they show anything. */
const LOADED = ["channels", "connections", "keys", "webhooks", "reference", "nodes", "configuration", "audit"];
const DATA = "**/console/api/**";

describe("the states of the console's screens", () => {
  test("a slow answer shows the layout, and then the content", async (t) => {
    const server = await startConsole(t);
    const tab = await signedIn(t, browser, server);
    const found = [];
    for (const name of LOADED) {
      let release;
      const held = new Promise((resolve) => { release = resolve; });
      await tab.page.route(DATA, (route) => held.then(() => route.continue()).catch(() => {}));
      await goTo(tab.page, name);
      await tab.page.locator("main .skeleton").first().waitFor();
      found.push(...(await findings(tab.page, `${name} loading`, { axe: name === "keys" })));
      release();
      await tab.page.unroute(DATA);
      await eventually(`${name} without a skeleton`, async () => (await tab.page.locator("main .skeleton").count()) === 0);
    }
    assert.deepEqual([...found, ...tab.complaints], []);
  });

  test("an error shows its code, fix and id, and Retry loads again", async (t) => {
    const server = await startConsole(t);
    const tab = await signedIn(t, browser, server, { allow: [/status of 500/] });
    const found = [];
    const body = JSON.stringify({ error: "The disk is full.", code: "disk_full", fix: "Free some space.", id: "k3v9x2" });
    for (const name of LOADED) {
      await tab.page.route(DATA, (route) => route.fulfill({ status: 500, contentType: "application/json", body }));
      await goTo(tab.page, name);
      const state = tab.page.locator("main .state.bad");
      await state.waitFor();
      const text = await state.innerText();
      for (const part of ["The disk is full.", "disk_full", "Free some space.", "k3v9x2"]) assert.ok(text.includes(part), `${name}: ${text}`);
      if (name === "keys") found.push(...(await findingsAtAllWidths(tab.page, `${name} failed`)));
      await tab.page.unroute(DATA);
      await state.getByRole("button", { name: "Retry" }).click();
      await eventually(`${name} after Retry`, async () => (await tab.page.locator("main .state.bad").count()) === 0);
    }
    assert.deepEqual([...found, ...tab.complaints], []);
  });

  test("a watch that is refused shows its code in the place of the list", async (t) => {
    const server = await startConsole(t, { settings: { live_feed: "off" } });
    const tab = await signedIn(t, browser, server);
    await goTo(tab.page, "live");
    await tab.page.locator("main .note.bad code", { hasText: "live_feed_refused" }).waitFor();
    const found = await findingsAtAllWidths(tab.page, "live refused");
    assert.deepEqual([...found, ...tab.complaints], []);
  });

  test("a screen whose file did not come loads after Retry", async (t) => {
    const server = await startConsole(t);
    const tab = await signedIn(t, browser, server, { allow: [/ERR_FAILED/, /dynamically imported module/] });
    const file = "**/console/screens/audit.js";
    await tab.page.route(file, (route) => route.abort());
    await goTo(tab.page, "audit");
    await tab.page.locator("main .state.bad code", { hasText: "screen_not_loaded" }).waitFor();
    await tab.page.unroute(file);
    await tab.page.getByRole("button", { name: "Retry" }).click();
    await tab.page.locator("main [data-filter]").waitFor();
    assert.deepEqual(tab.complaints, []);
  });

  test("without the server, figures stay with their age, and the page says so", async (t) => {
    const server = await startConsole(t);
    const tab = await signedIn(t, browser, server, { allow: [/ERR_CONNECTION_REFUSED/, /WebSocket connection to/, /dynamically imported module/] });
    await goTo(tab.page, "nodes");
    await goTo(tab.page, "overview");
    await tab.page.locator("main .figure").first().waitFor();
    await server.stop("SIGKILL");
    await tab.page.locator(".live", { hasText: "Not connected, trying again" }).waitFor();
    await tab.page.locator("main[data-old]").waitFor();
    assert.match(await tab.page.locator(".live [aria-hidden]").innerText(), /\d+ s old/);
    assert.ok((await tab.page.locator("main .figure").count()) > 0, "the figures stay");
    const found = await findingsAtAllWidths(tab.page, "overview offline");
    await goTo(tab.page, "nodes");
    await tab.page.locator("main .state.bad", { hasText: "The server does not answer." }).waitFor();
    found.push(...(await findingsAtAllWidths(tab.page, "nodes offline")));
    // A screen whose file was not loaded yet.
    await goTo(tab.page, "audit");
    await tab.page.locator("main .state.bad code", { hasText: "screen_not_loaded" }).waitFor();
    await server.again();
    const panel = tab.page.locator("dialog.signin");
    await panel.getByLabel("Admin token").fill(server.secrets.adminToken);
    await tab.page.keyboard.press("Enter");
    await tab.page.locator("main [data-filter]").waitFor();
    assert.deepEqual([...found, ...tab.complaints], []);
  });

  test("signed out, the panel covers every screen, and the address is kept", async (t) => {
    const server = await startConsole(t);
    const tab = await openPage(t, browser);
    await tab.page.goto(`${server.opsUrl}/console#/channels?prefix=private-`);
    const panel = tab.page.locator("dialog.signin");
    await panel.waitFor();
    const found = await findingsAtAllWidths(tab.page, "signed out", { filled: false });
    await tab.page.keyboard.press("Escape");
    assert.ok(await panel.isVisible(), "Esc does not close it");

    await panel.getByLabel("Admin token").fill("wrong");
    await tab.page.keyboard.press("Enter");
    await panel.locator("code", { hasText: "admin_token_wrong" }).waitFor();
    found.push(...(await findings(tab.page, "signed out with an error")));
    await panel.getByLabel("Admin token").fill(server.secrets.adminToken);
    await tab.page.keyboard.press("Enter");
    await isConnected(tab.page);
    assert.equal(await tab.page.locator("[data-filter]").inputValue(), "private-");
    assert.equal(await panel.count(), 0);

    await tab.page.setViewportSize({ width: 1440, height: 900 });
    await tab.page.getByRole("button", { name: "Sign out" }).click();
    await panel.waitFor();
    assert.match(tab.page.url(), /#\/channels\?prefix=private-$/);
    assert.equal(await tab.page.evaluate(() => fetch("/console/session").then(({ status }) => status)), 401);
    assert.deepEqual([...found, ...tab.complaints], []);
  });
});
