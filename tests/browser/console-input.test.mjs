// Bad input: other hosts and origins, an old cookie, ten thousand channels, names of hostile text.

import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { findings, findingsAtAllWidths, goTo, isConnected, isFilled, openPage, signedIn } from "./console-page.mjs";
import { connect, startConsole } from "./console-rig.mjs";
import { eventually, launchBrowser } from "./support.mjs";

let browser;
before(async () => { browser = await launchBrowser(); });
after(() => browser?.close());

/** `fetch` does not let a test choose the host. */
function ask(server, path, headers) {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, server.opsUrl), { headers }, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, headers: response.headers, code: /"code":\s*"(\w+)"/.exec(text)?.[1] });
    });
    asked.on("error", reject);
    asked.end();
  });
}

describe("the console and bad input", () => {
  test("other hosts and origins get nothing, with a good cookie too", async (t) => {
    const server = await startConsole(t);
    const tab = await signedIn(t, browser, server);
    const [{ name, value }] = await tab.context.cookies();
    const cookie = `${name}=${value}`;
    for (const path of ["/console", "/console/session", "/console/api/admin/apps", "/console/socket"]) {
      const rebound = await ask(server, path, { cookie, host: "rebound.example:6002" });
      assert.deepEqual([rebound.status, rebound.code], [421, "host_not_allowed"], path);
    }
    for (const path of ["/console/session", "/console/api/admin/apps", "/console/socket"]) {
      for (const foreign of [{ origin: "http://evil.example" }, { origin: "null" }, { "sec-fetch-site": "cross-site" }]) {
        const refused = await ask(server, path, { cookie, ...foreign });
        assert.deepEqual([refused.status, refused.code], [403, "console_origin"], `${path} ${JSON.stringify(foreign)}`);
      }
    }
    const page = await ask(server, "/console", {});
    assert.match(page.headers["content-security-policy"], /default-src 'none'.*require-trusted-types-for 'script'; trusted-types lit-html/);
    const blocked = await tab.page.evaluate(() => {
      try { document.body.innerHTML = "<b>x</b>"; } catch (error) { return error.name; }
    });
    assert.equal(blocked, "TypeError", "Trusted Types are in force");
  });

  test("another page can neither ask with the cookie nor frame the console", async (t) => {
    const server = await startConsole(t);
    const tab = await signedIn(t, browser, server);
    const foreign = await tab.context.newPage();
    await foreign.goto(`${server.url}/`).catch(() => {});
    const outcome = await foreign.evaluate(async (url) => {
      const asked = await fetch(`${url}/console/api/admin/apps`, { credentials: "include" }).then(() => "read", () => "refused");
      const socket = await new Promise((resolve) => {
        const made = new WebSocket(`${url.replace("http", "ws")}/console/socket`);
        made.onopen = () => resolve("open");
        made.onerror = () => resolve("refused");
      });
      return { asked, socket };
    }, server.opsUrl);
    assert.deepEqual(outcome, { asked: "refused", socket: "refused" });
  });

  test("another admin token ends the session: the panel comes, the filter stays", async (t) => {
    const server = await startConsole(t);
    const tab = await signedIn(t, browser, server, { allow: [/WebSocket connection to/] });
    await goTo(tab.page, "live", "?channel=private-*");
    await isConnected(tab.page);
    await server.reload({ admin_token: "another-token-of-sufficient-length" });
    const panel = tab.page.locator("dialog.signin");
    await panel.waitFor();
    await panel.getByLabel("Admin token").fill(server.secrets.adminToken);
    await tab.page.keyboard.press("Enter");
    await panel.locator("code", { hasText: "admin_token_wrong" }).waitFor();
    await panel.getByLabel("Admin token").fill("another-token-of-sufficient-length");
    await tab.page.keyboard.press("Enter");
    await isConnected(tab.page);
    await tab.page.locator(".token code", { hasText: "private-*" }).waitFor();
    assert.deepEqual(tab.complaints, []);
  });

  test("ten thousand channels come in pages", async (t) => {
    const server = await startConsole(t);
    const client = await connect(t, server);
    const names = Array.from({ length: 10_000 }, (_, at) => `room-${String(at).padStart(5, "0")}`);
    for (const name of names) client.pusher.subscribe(name);
    await eventually("all subscriptions", () => client.pusher.channel(names.at(-1)).subscribed, 30_000);
    const tab = await signedIn(t, browser, server);
    await goTo(tab.page, "channels");
    const rows = tab.page.locator("main tbody tr");
    await eventually("a page", async () => (await rows.count()) === 200);
    const first = await rows.first().innerText();
    for (let page = 2; page <= 4; page += 1) {
      await tab.page.getByRole("button", { name: "Next" }).click();
      await tab.page.locator(".pages", { hasText: `Page ${page}` }).waitFor();
      await eventually("another page", async () => (await rows.count()) === 200 && (await rows.first().innerText()).includes(names[(page - 1) * 200]));
    }
    await tab.page.getByRole("button", { name: "Previous" }).click();
    await eventually("the page before", async () => (await rows.count()) === 200 && (await rows.first().innerText()).includes(names[400]));
    await tab.page.locator("[data-filter]").fill("room-0999");
    await eventually("ten channels", async () => (await rows.count()) === 10);
    assert.equal(await tab.page.locator(".pages").count(), 0);
    await tab.page.locator("[data-filter]").fill("");
    await eventually("the first page", async () => (await rows.count()) === 200 && (await rows.first().innerText()) === first);
    const found = await findings(tab.page, "10000 channels", { axe: false });
    assert.deepEqual([...found, ...tab.complaints], []);
  });

  test("names of hostile text are text on every screen", async (t) => {
    const server = await startConsole(t);
    const hostile = ["<img src=x onerror=\"document.title='owned'\">", "safe\u202egnp.exe", "\u001b[31mred\u0007", `${"w".repeat(200)}`, "\u2066a\u2069\u200bb"];
    const channels = [`room-${"w".repeat(159)}`, "room-;,.=@_-"];
    for (const [at, user] of hostile.entries()) {
      const client = await connect(t, server, { user: user.slice(0, 128) });
      await client.subscribe("presence-team");
      if (channels[at]) await client.subscribe(channels[at]);
    }
    const send = async () => {
      for (const name of hostile) await server.api.trigger(["presence-team", channels[0]], name.slice(0, 200), { a: 1 });
    };
    const tab = await signedIn(t, browser, server);
    const found = [];
    const places = [["overview", ""], ["live", ""], ["channels", ""], ["channels", "/presence-team"], [`channels`, `/${channels[0]}`], ["connections", ""],
      ["connections", `?user=${encodeURIComponent(hostile[0])}`], ["channels", `/${encodeURIComponent(hostile[0])}`],
      ["send", `?channel=${encodeURIComponent(hostile[0])}&name=${encodeURIComponent(hostile[1])}`], ["audit", ""], ["keys", ""], ["audit", `?filter=${encodeURIComponent(hostile[2])}`]];
    for (const [name, rest] of places) {
      await goTo(tab.page, name, rest);
      if (name === "live") await eventually("entries", async () => (await send(), (await tab.page.locator("[data-seq]").count()) > 8));
      await isFilled(tab.page);
      found.push(...(await findingsAtAllWidths(tab.page, `hostile ${name}`, { axe: false, themes: ["light"] })));
      const text = await tab.page.locator("main").innerText();
      assert.doesNotMatch(text, /[\u202a-\u202e\u2066-\u2069\u200b\u001b\u0007]/, `${name}${rest}`);
      assert.equal(await tab.page.locator("main img").count(), 0);
      assert.doesNotMatch(await tab.page.title(), /owned/);
    }
    await goTo(tab.page, "channels", "/presence-team");
    await tab.page.locator(".detail", { hasText: "safe\\u{202e}gnp.exe" }).waitFor();
    assert.match(await tab.page.locator(".detail").innerText(), /<img src=x onerror=/);
    assert.deepEqual([...found, ...tab.complaints.filter((text) => !/status of 4/.test(text))], []);
  });
});
