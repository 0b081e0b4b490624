// `serve --dev` and `sealcast console`: links that sign in once. And the screen Try it.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { findingsAtAllWidths, goTo, isConnected, openPage } from "./console-page.mjs";
import { endings } from "./console-rig.mjs";
import { launchBrowser, start } from "./support.mjs";

const SEALCAST = process.env.SEALCAST_BIN ?? fileURLToPath(new URL("../../target/debug/sealcast", import.meta.url));
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SEALCAST_")));
const LINK = /(http:\S+\/console#\S+)/;

let browser;
before(async () => { browser = await launchBrowser(); });
after(() => browser?.close());

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startDev(t) {
  const ends = endings(t);
  const home = await mkdtemp(join(tmpdir(), "sealcast-console-"));
  ends.push(() => rm(home, { recursive: true, force: true }));
  const args = ["serve", "--dev", "--listen", "127.0.0.1:0", "--state-dir", home];
  const ops = { SEALCAST_OPS_LISTEN: `127.0.0.1:${await freePort()}` };
  const { match, stop } = await start(SEALCAST, args, { cwd: home, env: { ...env, ...ops } }, LINK);
  ends.push(stop);
  return { home, link: match[1] };
}

test("the link of --dev signs in once, and the next one comes from sealcast console", async (t) => {
  const { home, link } = await startDev(t);
  const tab = await openPage(t, browser);
  await tab.page.goto(link);
  await isConnected(tab.page);
  assert.ok(!tab.page.url().includes(new URL(link).hash), "the code is gone from the address");
  assert.ok(!(await tab.page.evaluate(() => JSON.stringify(history.state))).includes(new URL(link).hash.slice(1)));

  const other = await openPage(t, browser);
  await other.page.goto(link);
  const panel = other.page.locator("dialog.signin");
  await panel.locator("code", { hasText: "console_code_refused" }).waitFor();
  const found = await findingsAtAllWidths(other.page, "code used twice", { filled: false });

  const made = await start(SEALCAST, ["console", "--no-open", "--state-dir", home], { cwd: home, env }, LINK);
  assert.notEqual(made.match[1], link);
  await other.page.goto(made.match[1]);
  await isConnected(other.page);
  assert.equal(await panel.count(), 0);
  assert.deepEqual([...found, ...tab.complaints, ...other.complaints], []);
});

test("Try it opens what the server sealed", async (t) => {
  const { link } = await startDev(t);
  const tab = await openPage(t, browser);
  await tab.page.goto(link);
  await isConnected(tab.page);
  await goTo(tab.page, "try", "", "Try it");
  await tab.page.locator(".live .vh", { hasText: "Live" }).waitFor({ state: "attached" });
  await tab.page.locator(".steps .done").nth(1).waitFor();
  await tab.page.getByLabel("Data").fill('{"text":"opened in the page"}');
  await tab.page.getByRole("button", { name: "Send" }).click();
  const arrived = tab.page.locator(".arrived li").first();
  await arrived.waitFor();
  const [wire, page] = await arrived.locator("pre").allInnerTexts();
  assert.match(wire, /"nonce":"[^"]{32}","ciphertext":"/);
  assert.ok(!wire.includes("opened"));
  assert.match(page, /opened in the page/);
  const found = await findingsAtAllWidths(tab.page, "try");
  await goTo(tab.page, "overview");
  assert.deepEqual(Object.keys(await tab.page.evaluate(() => ({ ...localStorage }))), [], "pusher-js leaves nothing behind");
  assert.deepEqual([...found, ...tab.complaints], []);
});
