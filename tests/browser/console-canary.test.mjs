// Nothing secret reaches the browser: no payload, key, token or `auth` string in any frame, answer,
// DOM, storage or download. A payload does after a reveal, and is gone after it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { search } from "./apps/search.mjs";
import { contentOf, goTo, isFilled, SCREENS, signedIn } from "./console-page.mjs";
import { SEALED, failingEndpoint, sharedSecret, startConsole, traffic } from "./console-rig.mjs";
import { eventually, launchBrowser } from "./support.mjs";

let browser;
before(async () => { browser = await launchBrowser(); });
after(() => browser?.close());

const PAYLOAD = "canary-payload-9f3c71";
const data = { text: PAYLOAD };

/** All that must stay on the server. */
async function secretsOf(server, { ann, bob, refused }) {
  const { token } = await server.api.accessToken({ user: "ann", channels: ["private-*"] });
  const auths = [...ann.authorizations, ...bob.authorizations].flatMap(({ auth, shared_secret: secret }) => [auth.split(":")[1], secret].filter(Boolean));
  assert.ok(auths.length >= 8, "clients were authorized");
  return [
    PAYLOAD, server.secrets.masterKey, server.secrets.adminToken, server.secrets.appSecret, token,
    sharedSecret(server.secrets.masterKey, SEALED), ...auths, ...refused.auths.map((auth) => auth.split(":")[1]),
  ];
}

/** What the page has sent, got, drawn and stored so far. */
async function hitsIn(tab, secrets, extra = []) {
  const content = await contentOf(tab);
  return search([...tab.traffic, ...content, ...extra], secrets);
}

/** Opens the pane of the newest entry that matches. */
async function openEntry(tab, what, send) {
  await goTo(tab.page, "overview");
  await goTo(tab.page, "live");
  const row = tab.page.locator(".entries tr", { hasText: what });
  await eventually(`an entry ${what}`, async () => {
    await send();
    return (await row.count()) > 0;
  });
  await row.first().locator("[data-seq]").click();
  await tab.page.locator(".detail").waitFor();
}

async function reveal(tab, channel, reason) {
  await tab.page.getByRole("button", { name: "Reveal…" }).click();
  const dialog = tab.page.locator("dialog.dialog[open]");
  await dialog.getByLabel("Channel, with * for any text").fill(channel);
  await dialog.getByLabel("Reason").fill(reason);
  await dialog.getByRole("button", { name: "Reveal", exact: true }).click();
  return dialog;
}

const facts = async (server) => (await readFile(server.auditFile, "utf8")).trim().split("\n").map((line) => JSON.parse(line));

describe("secrets and the console", () => {
  test("no screen gets or shows one, and no download has one", async (t) => {
    const events = ["channel_occupied", "member_added", "cache_miss"];
    const server = await startConsole(t, { shop: { webhooks: [{ url: await failingEndpoint(t), retry_seconds: 1, events }] } });
    const running = await traffic(t, server, { data });
    const secrets = await secretsOf(server, running);
    const tab = await signedIn(t, browser, server);
    const [cookie] = await tab.context.cookies();
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/console"]);
    secrets.push(cookie.value);
    await tab.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const downloads = [];
    tab.page.on("download", (download) => downloads.push(download.suggestedFilename()));

    await openEntry(tab, "order.paid", running.send);
    const copied = [];
    for (const name of ["Copy as curl", "Copy the entry"]) {
      await tab.page.getByRole("button", { name }).click();
      copied.push({ source: name, bytes: Buffer.from(await tab.page.evaluate(() => navigator.clipboard.readText())) });
    }
    assert.ok(copied[1].bytes.includes("ciphertext"), "the copy is the entry");
    const places = [...Object.keys(SCREENS).map((name) => [name, ""]), ["channels", `/${SEALED}`], ["channels", "/presence-team"],
      ["connections", `/${running.ann.pusher.connection.socket_id}`], ["configuration", "?name=shop"]];
    for (const [name, rest] of places) {
      await goTo(tab.page, name, rest);
      await isFilled(tab.page);
      assert.deepEqual(await hitsIn(tab, secrets, copied), [], name);
    }
    assert.deepEqual(downloads, []);
    assert.ok(tab.frames().some(({ entries }) => entries?.some(({ envelope }) => envelope)), "the feed was watched");
    assert.deepEqual(tab.complaints, []);
  });

  test("dead letters come without the payloads of client events", async (t) => {
    const server = await startConsole(t, { shop: { webhooks: [{ url: await failingEndpoint(t), retry_seconds: 1 }] } });
    await traffic(t, server, { data });
    const tab = await signedIn(t, browser, server);
    await goTo(tab.page, "webhooks");
    await tab.page.locator("[aria-labelledby=h-letters] tr", { hasText: "client_event" }).first().waitFor();
    assert.deepEqual(await hitsIn(tab, [PAYLOAD]), []);
  });

  test("what is pasted into a debugger or sent is in no answer, and in nothing that is kept", async (t) => {
    const server = await startConsole(t);
    const { refused } = await traffic(t, server);
    const tab = await signedIn(t, browser, server);
    const [auth] = refused.auths;
    await goTo(tab.page, "authorization");
    await tab.page.getByRole("textbox", { name: "Auth string" }).fill(auth);
    await tab.page.getByLabel("Socket id of the connection").fill(refused.pusher.connection.socket_id);
    await tab.page.getByLabel("Channel, as the client sends it").fill("private-refused");
    await tab.page.getByRole("button", { name: "Examine" }).click();
    await tab.page.locator("#auth-result .verdict").waitFor();
    await goTo(tab.page, "send");
    await tab.page.getByLabel("Channels, separated by blanks").fill(SEALED);
    await tab.page.getByLabel("Name").fill("order.paid");
    await tab.page.locator("#send-data").fill(JSON.stringify(data));
    await tab.page.locator("#send-data").press("Control+Enter");
    await tab.page.locator("main", { hasText: "accepted" }).waitFor();
    await goTo(tab.page, "overview");

    const signature = auth.split(":")[1];
    assert.deepEqual(await hitsIn(tab, [signature, PAYLOAD]), []);
    const log = await readFile(server.auditFile, "utf8");
    for (const text of [signature, PAYLOAD, server.output()]) assert.ok(!log.includes(text) || text === "");
    assert.ok(!server.output().includes(signature) && !server.output().includes(PAYLOAD));
    assert.deepEqual(tab.complaints, []);
  });

  test("a reveal shows the payload for a reason, on sealed and clear channels, and forgets it", async (t) => {
    const server = await startConsole(t);
    const { send } = await traffic(t, server, { data });
    const tab = await signedIn(t, browser, server);
    for (const [what, channel] of [["order.paid", SEALED], ["greeting", "news"]]) {
      tab.traffic.length = 0;
      await openEntry(tab, what, send);
      assert.deepEqual(await hitsIn(tab, [PAYLOAD]), []);
      await reveal(tab, channel, "ticket 12");
      await tab.page.locator(".red-bar").waitFor();
      const begun = (await facts(server)).findLast(({ event }) => event === "reveal_begun");
      assert.deepEqual([begun.channel, begun.reason, begun.app], [channel, "ticket 12", "shop"]);
      assert.match(begun.by, /^console \d{6}$/);
      assert.deepEqual(await hitsIn(tab, [PAYLOAD]), [], "no payload before the next event");

      await send();
      await tab.page.locator(".reveal.on pre", { hasText: `{"text":"${PAYLOAD}"}` }).first().waitFor();
      const other = channel === "news" ? SEALED : "news";
      assert.ok(!tab.frames().some(({ revealed }) => revealed?.some((it) => it.channel === other)), "other channels stay hidden");
      const stored = (await contentOf(tab)).filter(({ source }) => source === "storage");
      assert.deepEqual(search(stored, [PAYLOAD]), []);

      await tab.page.getByRole("button", { name: "Hide now" }).click();
      await tab.page.locator(".red-bar").waitFor({ state: "detached" });
      const ended = await eventually("the end in the log", async () => (await facts(server)).findLast(({ event }) => event === "reveal_ended"));
      assert.deepEqual([ended.channel, ended.reason], [channel, "stopped"]);
      await new Promise((resolve) => setTimeout(resolve, 300));
      tab.traffic.length = 0;
      await send();
      await eventually("a later event", () => tab.frames().some(({ entries }) => entries?.some(({ name }) => name === what)));
      assert.deepEqual(await hitsIn(tab, [PAYLOAD]), [], "gone after the reveal");
    }
    assert.deepEqual(tab.complaints, []);
  });

  test("what was revealed goes with the session", async (t) => {
    const server = await startConsole(t);
    const { send } = await traffic(t, server, { data });
    const tab = await signedIn(t, browser, server);
    await openEntry(tab, "order.paid", send);
    await reveal(tab, SEALED, "ticket 14");
    await tab.page.locator(".red-bar").waitFor();
    await send();
    await tab.page.locator(".reveal.on pre", { hasText: PAYLOAD }).first().waitFor();
    await tab.page.getByRole("button", { name: "Sign out" }).click();
    await tab.page.locator("dialog.signin").waitFor();
    assert.deepEqual(search(await contentOf(tab), [PAYLOAD]), []);
    const ended = await eventually("the end in the log", async () => (await facts(server)).findLast(({ event }) => event === "reveal_ended"));
    assert.equal(ended.reason, "left");
    assert.deepEqual(tab.complaints, []);
  });

  test("a blind channel cannot be revealed, and nothing is where the setting says never", async (t) => {
    const server = await startConsole(t);
    const { send } = await traffic(t, server, { data });
    const tab = await signedIn(t, browser, server);
    await tab.page.evaluate(() => { location.hash = "#/live?app=tickets"; });
    const envelope = JSON.stringify({ nonce: Buffer.alloc(24, 1).toString("base64"), ciphertext: Buffer.alloc(40, 2).toString("base64") });
    const publish = () => server.admin("POST", "/admin/apps/tickets/events", { name: "order.paid", channels: [SEALED], data: envelope });
    await tab.page.locator("main .split").waitFor();
    const row = tab.page.locator(".entries tr", { hasText: "order.paid" });
    await eventually("a relayed event", async () => (await publish(), (await row.count()) > 0));
    await row.first().locator("[data-seq]").click();
    const dialog = await reveal(tab, SEALED, "ticket 13");
    await dialog.locator("code", { hasText: "blind_channel" }).waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    assert.equal(await tab.page.locator(".red-bar").count(), 0);

    await server.reload({ console_reveal: "never" });
    await tab.page.reload();
    await openEntry(tab, "order.paid", async () => (await send(), publish()));
    await tab.page.locator(".reveal", { hasText: 'console_reveal = "never"' }).waitFor();
    assert.equal(await tab.page.getByRole("button", { name: "Reveal…" }).count(), 0);
    assert.deepEqual(await hitsIn(tab, [PAYLOAD]), []);
    assert.deepEqual(tab.complaints, []);
  });
});
