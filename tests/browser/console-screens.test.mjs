// Every screen of the console against a real server: filled and empty, at each width and in both
// themes, without a report of the browser, a finding of axe-core or sideways scrolling.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { findingsAtAllWidths, goTo, SCREENS, signedIn } from "./console-page.mjs";
import { authorizer, connect, failingEndpoint, SEALED, startConsole, traffic } from "./console-rig.mjs";
import { eventually, launchBrowser } from "./support.mjs";

let browser;
before(async () => { browser = await launchBrowser(); });
after(() => browser?.close());

/** A client that does not ask for the new secret: the rotation goes on. */
async function silentClient(t, server) {
  let asked = 0;
  const answering = authorizer(server, "eve");
  const customHandler = (...request) => (asked++ ? undefined : answering(...request));
  const client = await connect(t, server, { customHandler });
  await client.subscribe(SEALED);
}

describe("the screens of the console", () => {
  test("filled by real clients, they are sound at every width and theme", async (t) => {
    const webhooks = [{ url: await failingEndpoint(t), retry_seconds: 1 }];
    const found = [];
    const server = await startConsole(t, { shop: { webhooks } });
    const { send, ann } = await traffic(t, server);
    const tab = await signedIn(t, browser, server);
    await server.admin("POST", "/admin/apps/shop/keys/rotate", {});
    await send();
    for (const name of Object.keys(SCREENS)) {
      await goTo(tab.page, name);
      if (name === "live") await eventually("an entry", async () => (await send(), tab.page.locator("[data-seq]").count()));
      found.push(...(await findingsAtAllWidths(tab.page, name)));
    }
    const places = [
      ["channels", `/${SEALED}`], ["channels", "/presence-team"], ["connections", `/${ann.pusher.connection.socket_id}`],
      ["authorization", "/token"], ["authorization", "/answer"], ["send", `?channel=${SEALED}&name=order.paid`],
    ];
    for (const [name, rest] of places) {
      await goTo(tab.page, name, rest);
      found.push(...(await findingsAtAllWidths(tab.page, `${name} of one`)));
    }
    await tab.page.setViewportSize({ width: 1440, height: 900 });
    await goTo(tab.page, "live");
    await send();
    await tab.page.locator("[data-seq]").first().click();
    await tab.page.locator(".detail").waitFor();
    found.push(...(await findingsAtAllWidths(tab.page, "live with an entry")));
    await goTo(tab.page, "audit");
    await tab.page.locator("button.rowlink").first().click();
    found.push(...(await findingsAtAllWidths(tab.page, "audit with a fact")));

    await silentClient(t, server);
    await server.admin("POST", "/admin/apps/shop/keys/rotate", {});
    await goTo(tab.page, "keys");
    await tab.page.locator(".going", { hasText: "4 of 5 subscriptions moved" }).waitFor();
    const { keys } = await server.admin("GET", "/admin/apps/shop/keys");
    const behind = keys.find(({ state, subscriptions }) => state === "grace" && subscriptions === 1);
    const short = `${behind.id.slice(0, 4)}…${behind.id.slice(-4)}`;
    assert.match(await tab.page.locator(".going").innerText(), new RegExp(`${short} grace, 1 behind`));
    found.push(...(await findingsAtAllWidths(tab.page, "keys rotating")));
    assert.deepEqual([...found, ...tab.complaints], []);
  });

  test("without a client, each says why it is empty and what to do", async (t) => {
    const found = [];
    const server = await startConsole(t);
    const tab = await signedIn(t, browser, server);
    const texts = {
      overview: /No subscriber yet/, live: /Nothing has happened yet|entries/i, channels: /No channel has a subscriber/,
      connections: /No client is connected/, keys: /Master keys/, webhooks: /This app has no webhook/, audit: /signed in/,
    };
    for (const [name, text] of Object.entries(texts)) {
      await goTo(tab.page, name);
      await tab.page.locator("main", { hasText: text }).waitFor();
      found.push(...(await findingsAtAllWidths(tab.page, `${name} empty`)));
    }
    await goTo(tab.page, "keys", "?app=tickets");
    await tab.page.locator("main", { hasText: "This app has no master key" }).waitFor();
    found.push(...(await findingsAtAllWidths(tab.page, "keys without a key")));
    assert.deepEqual([...found, ...tab.complaints], []);
  });
});
