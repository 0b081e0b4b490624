// The console without a mouse: from the sign-in to a finished rotation, and every common key.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { goTo, isConnected, openPage, signedIn } from "./console-page.mjs";
import { SEALED, startConsole, traffic } from "./console-rig.mjs";
import { eventually, launchBrowser } from "./support.mjs";

let browser;
before(async () => { browser = await launchBrowser(); });
after(() => browser?.close());

const focused = (page) => page.evaluate(() => ({
  text: document.activeElement?.textContent.trim() ?? "", name: document.activeElement?.tagName, row: document.activeElement?.closest("tr")?.rowIndex,
}));
const title = (page, text) => page.locator("h1", { hasText: text }).waitFor();

/** Presses Tab until the element with this text has the focus. */
async function tabTo(page, text) {
  for (let presses = 0; presses < 40; presses += 1) {
    if ((await focused(page)).text.startsWith(text)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`Tab does not reach ${text}`);
}

describe("the console by keyboard", () => {
  test("from the sign-in to a finished rotation, while a client stays connected", async (t) => {
    const server = await startConsole(t);
    const { ann, bob } = await traffic(t, server);
    const before = await server.admin("GET", "/admin/apps/shop/keys");
    const tab = await openPage(t, browser);
    const { keyboard } = tab.page;
    await tab.page.goto(`${server.opsUrl}/console`);
    await tab.page.locator("dialog.signin").waitFor();
    await eventually("the focus in the panel", async () => (await focused(tab.page)).name === "INPUT");
    await keyboard.type(server.secrets.adminToken);
    await keyboard.press("Enter");
    await isConnected(tab.page);
    await keyboard.press("g");
    await keyboard.press("k");
    await title(tab.page, "Keys");
    await tab.page.locator(".timeline .key").first().waitFor();
    await keyboard.press("r");
    await tab.page.locator("dialog[open]").waitFor();
    await tabTo(tab.page, "Rotate");
    await keyboard.press("Enter");
    await tab.page.locator("dialog[open]").waitFor({ state: "detached" });
    await tab.page.locator(".timeline .key.grace").waitFor();
    await eventually("the end of the rotation", async () => /No rotation runs/.test(await tab.page.locator("main").innerText()), 30_000);

    const now = await server.admin("GET", "/admin/apps/shop/keys");
    const active = (keys) => keys.keys.find(({ state }) => state === "active").id;
    assert.notEqual(active(now), active(before));
    assert.equal(now.rotation.remaining, 0);
    for (const client of [ann, bob]) assert.ok(!client.states.includes("unavailable") && client.pusher.connection.state === "connected", client.states.join());
    await server.api.trigger(SEALED, "after", { text: "sealed with the new key" });
    await eventually("an event under the new key", () => bob.events.some(({ event, data }) => event === "after" && data.text === "sealed with the new key"));
    assert.equal((await focused(tab.page)).name === "DIALOG", false);
    assert.deepEqual(tab.complaints, []);
  });

  test("G and a letter opens every screen, and ? lists the keys", async (t) => {
    const server = await startConsole(t);
    const tab = await signedIn(t, browser, server);
    const letters = {
      l: "Live events", c: "Channels", n: "Connections", k: "Keys", a: "Authorization", s: "Send an event", w: "Webhooks",
      r: "API reference", d: "Nodes", f: "Configuration", u: "Audit log", m: "More", o: "Overview",
    };
    for (const [letter, name] of Object.entries(letters)) {
      await tab.page.keyboard.press("g");
      await tab.page.keyboard.press(letter);
      await title(tab.page, name);
      await tab.page.locator("main :not(.skeleton)").first().waitFor();
    }
    await tab.page.keyboard.press("?");
    const help = tab.page.locator("dialog[open]");
    await help.waitFor();
    for (const key of ["Ctrl", "Space", "Esc"]) assert.match(await help.innerText(), new RegExp(key));
    await tab.page.keyboard.press("g");
    await tab.page.keyboard.press("l");
    assert.match(await tab.page.locator("h1").innerText(), /Overview/, "a dialog keeps the keys");
    await tab.page.keyboard.press("Escape");
    await help.waitFor({ state: "detached" });
    await tab.page.keyboard.press("d");
    assert.equal(await tab.page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await tab.page.keyboard.press("d");
    assert.equal(await tab.page.evaluate(() => document.documentElement.dataset.theme), undefined);
    assert.deepEqual(tab.complaints, []);
  });

  test("Ctrl K leads to a channel, a key, a setting and a socket", async (t) => {
    const server = await startConsole(t);
    const { ann } = await traffic(t, server);
    const tab = await signedIn(t, browser, server);
    const socket = ann.pusher.connection.socket_id;
    const id = (await server.admin("GET", "/admin/apps/shop/keys")).keys[0].id;
    const places = [[SEALED, /#\/channels\/private-encrypted-orders/], [id, /#\/keys/], ["console_reveal", /#\/configuration\?name=console_reveal/], [socket, /#\/connections\//]];
    for (const [text, address] of places) {
      await tab.page.keyboard.press("Control+k");
      const input = tab.page.getByRole("combobox");
      await input.waitFor();
      await eventually("the focus in the field", async () => (await focused(tab.page)).name === "INPUT");
      await tab.page.keyboard.type(text);
      const digits = text.replace(/\W/g, "");
      await eventually(`a place for ${text}`, async () => (await tab.page.locator("[role=option]").first().innerText()).replace(/\W/g, "").includes(digits));
      await tab.page.keyboard.press("ArrowDown");
      await tab.page.keyboard.press("ArrowUp");
      await tab.page.keyboard.press("Enter");
      await eventually(`the address of ${text}`, () => address.test(tab.page.url()));
      await input.waitFor({ state: "detached" });
    }
    await tab.page.locator(".detail", { hasText: socket }).waitFor();
    await tab.page.keyboard.press("Escape");
    await eventually("the closed pane", () => /#\/connections$/.test(tab.page.url()));
    assert.deepEqual(tab.complaints, []);
  });

  test("J, K, Enter, Esc, slash, Space and the dot move through lists", async (t) => {
    const server = await startConsole(t);
    const { send } = await traffic(t, server);
    const tab = await signedIn(t, browser, server);
    const { keyboard } = tab.page;
    await goTo(tab.page, "channels");
    await tab.page.locator(".rowlink").nth(3).waitFor();
    for (const [key, row] of [["j", 1], ["j", 2], ["k", 1], ["j", 2]]) {
      await keyboard.press(key);
      assert.equal((await focused(tab.page)).row, row);
    }
    await keyboard.press("Enter");
    await tab.page.locator(".detail h2", { hasText: "presence-team" }).waitFor();
    await keyboard.press("Escape");
    await tab.page.locator(".detail").waitFor({ state: "detached" });
    await keyboard.press("/");
    assert.equal((await focused(tab.page)).name, "INPUT");
    await keyboard.type("private-encrypted");
    await eventually("the filtered list", async () => (await tab.page.locator(".rowlink").count()) === 2);
    await keyboard.press("Escape");
    assert.equal((await focused(tab.page)).name, "BODY");

    await goTo(tab.page, "live");
    const rows = tab.page.locator("[data-seq]");
    await eventually("entries", async () => (await send(), (await rows.count()) > 4));
    await keyboard.press("Space");
    await tab.page.locator(".live .vh", { hasText: "Paused" }).waitFor({ state: "attached" });
    const first = await rows.first().getAttribute("data-seq");
    await send();
    await tab.page.locator(".catch", { hasText: "new entr" }).waitFor();
    assert.equal(await rows.first().getAttribute("data-seq"), first, "the list stands still");
    await keyboard.press(".");
    await eventually("the newest entry", async () => (await rows.first().getAttribute("data-seq")) !== first);
    await keyboard.press("j");
    await keyboard.press("j");
    await tab.page.locator(".entries tr.selected").waitFor();
    await keyboard.press("Enter");
    await tab.page.locator(".detail").waitFor();
    await keyboard.press("Escape");
    await tab.page.locator(".detail").waitFor({ state: "detached" });
    assert.deepEqual(tab.complaints, []);
  });
});
