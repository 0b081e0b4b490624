// The quickstart with a Sealcast of its own: two dialects, roles, a rotation, and what may go wrong.

import assert from "node:assert/strict";
import { hkdfSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import nacl from "tweetnacl";
import { eventually, launchBrowser, startApp } from "./apps.mjs";

const TEST = { timeout: 90_000 };
const PLANTED = "The harbour gate opens at half past four; bring the blue folder.";
const PHONE = { viewport: { width: 390, height: 844 } };
const SMALL = { sizes: [[390, 844]], themes: ["light"], fullPage: true };
/** Chromium notes refused requests by itself. */
const REFUSED = /the server responded with a status of (?:403|500)/;
const LOST = /ERR_|WebSocket connection to|the server responded with a status of 503/;
const DIALECTS = ["pusher", "jetsocket"];

describe("quickstart with its own Sealcast", () => {
  let browser, app;
  const endings = [];
  before(async () => {
    browser = await launchBrowser();
    app = await startApp({ after: (end) => endings.push(end) }, "quickstart", { browser });
  }, TEST);
  after(async () => {
    for (const end of endings) await end();
    await browser?.close();
  }, TEST);

  /** A visitor of their own, who leaves with the test. */
  async function visit(t, path, options) {
    const { page, context } = await app.open(path, options);
    t.after(() => context.close());
    return page;
  }
  const word = (page, dialect) => page.locator(`#${dialect} .panel-state`).textContent();
  const bothSay = (page, expected) => eventually(`both panels: ${expected}`, async () => {
    for (const dialect of DIALECTS) if ((await word(page, dialect)) !== expected) return false;
    return true;
  }, 40_000);
  const newest = (page, dialect) => page.locator(`#${dialect} .message`).first();
  const texts = (page, dialect) => page.locator(`#${dialect} .message .text`).allTextContents();
  const arrives = (page, text) => eventually(`"${text}" in both panels`, async () => {
    for (const dialect of DIALECTS) if ((await texts(page, dialect))[0] !== text) return false;
    return true;
  });
  async function send(page, text) {
    await page.getByLabel("Write a message").fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  }
  const choose = (page, role) => page.getByRole("radio", { name: new RegExp(`^${role}`) }).check();
  const framesOf = (page) => {
    const frames = [];
    page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => frames.push(String(payload))));
    return frames;
  };

  test("one event in both panels, sealed on its way, and in sight on a phone", TEST, async (t) => {
    const page = await visit(t, "/", PHONE);
    await bothSay(page, "Live");
    await app.pictures(page, "quickstart-empty", SMALL);
    await send(page, PLANTED);
    await arrives(page, PLANTED);

    const frames = await Promise.all(DIALECTS.map((dialect) => newest(page, dialect).locator(".frame").textContent()));
    assert.equal(frames[0], frames[1], "one sealing for both dialects");
    const envelope = JSON.parse(JSON.parse(frames[0]).data);
    assert.deepEqual(Object.keys(envelope).sort(), ["ciphertext", "nonce"]);
    for (const part of [".text", ".peek"]) {
      const box = await newest(page, "pusher").locator(part).boundingBox();
      assert.ok(box.y >= 0 && box.y + box.height <= 844, `${part} is in sight after Send: ${JSON.stringify(box)}`);
    }
    const text = await newest(page, "pusher").locator(".text").boundingBox();
    const strip = await newest(page, "pusher").locator(".strip").boundingBox();
    assert.ok(strip.height <= text.height + 12, `the ciphertext (${strip.height}) does not dwarf the message (${text.height})`);
    // Where they rest: on arrival of a message they move a little.
    const tops = await page.locator(".path li").evaluateAll((steps) => steps.map((step) => step.offsetTop));
    assert.deepEqual([tops.length, new Set(tops).size], [4, 1], "four steps in one row");
    assert.ok((await page.locator(".wire .frame").textContent()).includes(PLANTED), "the server sees plain text, and the page says so");

    await page.setViewportSize({ width: 1280, height: 800 });
    await app.pictures(page, "quickstart-live");
    const sealedPlaces = /frame|WebSocket|^line|^log|^state|^output/;
    assert.deepEqual(await app.searchFor([PLANTED], sealedPlaces), [], "ciphertext on sockets, in the log, on the disk");
    assert.notDeepEqual(await app.searchFor([PLANTED], /body to localhost/), [], "the search finds what is there");
    const secrets = [await readFile(`${app.stateDir}/app-secret`, "utf8"), (await readFile(`${app.stateDir}/master-key`, "utf8")).trim().slice(7)];
    assert.deepEqual(await app.searchFor(secrets, /^(?!state)/), [], "neither secret nor master key leaves the backend");
    app.assertQuiet();
  });

  test("a role may read, another may not and sees why, and a fault is no refusal", TEST, async (t) => {
    const staff = await visit(t, "/");
    const skew = 26 * 3600 * 1000;
    const guest = await visit(t, "about:blank", { allow: [REFUSED] });
    // This clock is wrong by more than a day.
    await guest.addInitScript((ms) => { const now = Date.now; Date.now = () => now() + ms; }, skew);
    const frames = framesOf(guest);
    const answers = [];
    guest.on("response", async (response) => {
      if (/\/(?:pusher|jetsocket)\/auth$/.test(response.url())) answers.push([response.status(), await response.text().catch(() => "")]);
    });
    await guest.goto(`${app.url}/?role=guest`);
    await bothSay(guest, "403: refused");
    await bothSay(staff, "Live");
    for (const dialect of DIALECTS) {
      const why = await guest.locator(`#${dialect} .notice`).innerText();
      assert.match(why, /Role “guest” may not read this\.\s+No rule of this application matches private-encrypted-staff\.quickstart/);
      assert.match(why, /no_rule/);
    }
    await app.pictures(guest, "quickstart-refused", SMALL);
    await send(staff, "not for guests");
    await arrives(staff, "not for guests");
    await eventually("the guest among the people", async () => (await guest.locator(".people .who").count()) >= 2);
    assert.deepEqual(frames.filter((frame) => frame.includes("private-encrypted")), [], "nothing of the channel reaches the guest");
    assert.ok(!answers.some(([, text]) => text.includes("shared_secret")), "and no key");

    await choose(guest, "Fault");
    await bothSay(guest, "500: fault");
    const notice = guest.locator("#pusher .notice");
    assert.match(await notice.innerText(), /Nobody could say whether you may\.\s+This is a fault, not a refusal\./);
    await app.pictures(guest, "quickstart-fault", SMALL);
    const again = guest.waitForResponse(/\/token$/);
    await guest.locator("#pusher").getByRole("button", { name: "Try again" }).click();
    assert.equal((await again).status(), 500);
    await choose(guest, "Staff");
    await bothSay(guest, "Live");
    await send(staff, "now for both");
    await arrives(guest, "now for both");
    app.assertQuiet();
  });

  test("a role is signed: another one in the token is refused, and the backend gives staff or guest only", TEST, async () => {
    const post = (body) => fetch(`${app.url}/token`, { method: "POST", headers: { origin: app.url, "content-type": "application/json" }, body: JSON.stringify(body) });
    const visitor = { id: "0123456789abcdef", name: "Wren", role: "guest" };
    const { token } = await (await post(visitor)).json();
    const [head, claims, signature] = token.split(".");
    const forged = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(claims, "base64url")), role: "staff" })).toString("base64url");
    const ask = (bearer) => fetch(`${app.sealcastUrl}/pusher/auth`, {
      method: "POST", headers: { authorization: `Bearer ${bearer}` },
      body: new URLSearchParams({ socket_id: "1.1", channel_name: "private-encrypted-staff.quickstart", app_key: "example-key" }),
    });
    const refused = await ask([head, forged, signature].join("."));
    assert.equal(refused.status, 401);
    assert.equal((await refused.json()).code, "token_signature");
    assert.equal((await ask(token)).status, 403);
    for (const bad of [{ ...visitor, role: "root" }, { ...visitor, role: undefined }, { ...visitor, id: "../1" }, { ...visitor, name: "" }, null]) {
      assert.equal((await post(bad)).status, 400, JSON.stringify(bad));
    }
  });

  test("the key rotates among 200 events, and none is lost", TEST, async (t) => {
    const pages = [await visit(t, "/"), await visit(t, "/")];
    const secrets = pages.map(() => []);
    pages.forEach((page, i) => page.on("response", async (response) => {
      if (!/\/(?:pusher|jetsocket)\/auth$/.test(response.url())) return;
      const { shared_secret } = await response.json();
      if (shared_secret) secrets[i].push(shared_secret);
    }));
    for (const page of pages) {
      await page.reload();
      await bothSay(page, "Live");
    }
    const key = () => pages[0].locator(".key").textContent();
    const before = await eventually("the fingerprint", async () => /^[0-9a-f]{12}$/.test(await key()) && key());
    await pages[0].getByRole("button", { name: "Rotate now" }).click();
    await eventually("the run", () => pages[0].locator(".runs").isVisible());
    const second = await fetch(`${app.url}/rotation`, { method: "POST", headers: { origin: app.url } });
    assert.equal(second.status, 409);
    assert.equal((await second.json()).error, "A rotation is under way. Wait until it ends.");

    for (const page of pages) {
      await eventually("the end of the run", async () => /re-authorizations, 0 disconnected/.test(await page.locator(".side").innerText()), 60_000);
      const rows = await page.locator(".run").allInnerTexts();
      assert.equal(rows.length, 2);
      for (const row of rows) assert.match(row, /200 of 200 · 0 lost · asked again [1-9]×/);
    }
    const after = await key();
    assert.notEqual(after, before);
    assert.match(await pages[0].locator(".side").innerText(), new RegExp(`Key ${before} became ${after}\\. [4-9] re-authorizations`));

    const text = "Another key since a moment ago. Did you notice?";
    await send(pages[1], text);
    for (const page of pages) await arrives(page, text);
    await app.pictures(pages[1], "quickstart-rotated", { sizes: [[1280, 800], [390, 844]] });
    const { data } = JSON.parse(await newest(pages[0], "pusher").locator(".frame").textContent());
    const { nonce, ciphertext } = JSON.parse(data);
    const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
    const opens = (secret) => nacl.secretbox.open(bytes(ciphertext), bytes(nonce), bytes(secret)) !== null;
    for (const own of secrets) {
      assert.equal(opens(own[0]), false, "the old secret opens nothing new");
      assert.equal(opens(own.at(-1)), true);
    }
    app.assertQuiet();
  });

  test("an altered frame is shown as one that does not open, and a replayed one shows nothing twice", TEST, async (t) => {
    const { page, context } = await app.open("/", { allow: [REFUSED] });
    t.after(() => context.close());
    let change = (text) => [text];
    await page.routeWebSocket(/\/app\//, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((text) => {
        const isMessage = JSON.parse(text).event === "message";
        for (const frame of isMessage ? change(text) : [text]) socket.send(frame);
      });
    });
    await page.clock.install();
    await page.reload();
    await bothSay(page, "Live");
    change = (text) => [text, text];
    await send(page, "once");
    await arrives(page, "once");
    change = (text) => [text.replace(/(ciphertext\\":\\"....)(.)/, (_, start, letter) => start + (letter === "A" ? "B" : "A"))];
    await send(page, "altered");
    await eventually("the shim's answer", async () => (await newest(page, "jetsocket").innerText()).includes("A message did not open."));
    // pusher-js drops it silently; the page waits for its event.
    await page.clock.fastForward(21_000);
    await eventually("the page's answer", async () => (await newest(page, "pusher").innerText()).includes("A message did not open."));
    await app.pictures(page, "quickstart-unopened", SMALL);
    change = (text) => [text];
    await send(page, "and on");
    await arrives(page, "and on");
    for (const dialect of DIALECTS) assert.deepEqual(await texts(page, dialect), ["and on", "once"]);
    app.assertQuiet();
  });

  test("a lost line and a restart of the server: both clients come back, and the text stays", TEST, async (t) => {
    const page = await visit(t, "/", { allow: [LOST] });
    await bothSay(page, "Live");
    app.line.down();
    await bothSay(page, "Connecting");
    await page.getByLabel("Write a message").fill("written meanwhile");
    await eventually("the sentence", async () => (await page.locator("#issues").innerText()).includes(`Sealcast is not reachable at ${app.line.url}`));
    assert.equal(await page.getByRole("button", { name: "Send" }).isDisabled(), true);
    await page.setViewportSize({ width: 390, height: 844 });
    const isWhole = await page.locator(".brand span + span").evaluate((title) => title.scrollWidth <= title.clientWidth);
    assert.ok(isWhole, "the title is cut off");
    await app.pictures(page, "quickstart-reconnecting", SMALL);
    await page.context().setOffline(true);
    await eventually("offline", async () => (await page.locator(".state").textContent()) === "Offline");
    await app.pictures(page, "quickstart-offline", SMALL);
    await page.context().setOffline(false);
    await app.restartSealcast();
    app.line.up();
    await page.getByRole("button", { name: "Try now" }).click();
    await bothSay(page, "Live");
    await page.getByRole("button", { name: "Send" }).click();
    await arrives(page, "written meanwhile");
    await eventually("no sentence", async () => (await page.locator("#issues").innerText()) === "");
    await eventually("the key card", async () => /Sends 200 events/.test(await page.locator(".side").innerText()));
    app.assertQuiet();
  });

  test("by keyboard: a message, a role, a rotation", TEST, async (t) => {
    const page = await visit(t, "/", { allow: [REFUSED] });
    await bothSay(page, "Live");
    await page.getByLabel("Write a message").focus();
    await page.keyboard.type("typed");
    await page.keyboard.press("Enter");
    await arrives(page, "typed");
    await page.getByRole("radio", { name: /^Staff/ }).focus();
    await page.keyboard.press("ArrowDown");
    await bothSay(page, "403: refused");
    await page.getByRole("button", { name: "Rotate now" }).focus();
    await page.keyboard.press("Enter");
    await eventually("the end of the run", async () => /Key \w+ became \w+/.test(await page.locator(".side").innerText()), 60_000);
    app.assertQuiet();
  });

  test("starts with a key of 32 characters and with one of 44, and names a wrong one", TEST, async (t) => {
    const [raw, base64] = ["Zq7!rVx2#Lm9pTs4&Wd6yKb8*Hf3jNc5", "q83vEjRWeJAbzu8SNFZ4kK3vEjRWeJAbzu8SNFZ4kKs="];
    const [first, second] = await Promise.all([raw, base64].map((key) =>
      startApp(t, "quickstart", { browser, env: { MASTER_KEY: key, TOKEN_SECONDS: "4" } })));
    await assert.rejects(startApp(t, "quickstart", { browser, env: { MASTER_KEY: raw.slice(1) } }), /master_key/);
    const active = async (own) => (await (await fetch(`${own.url}/rotation`)).json()).key.id;
    assert.equal(await active(first), fingerprint(Buffer.from(raw)));
    assert.equal(await active(second), fingerprint(Buffer.from(base64, "base64")));
    await Promise.all([[first, raw], [second, base64]].map(async ([own, key]) => {
      await opensAMessage(t, own, `a key of ${key.length}`);
      assert.deepEqual(await own.searchFor([key], /^(?!state)/), [], "the key is in no traffic and no log");
    }));
  });

  /** docs/keys.md, Fingerprint. */
  const fingerprint = (key) => Buffer.from(hkdfSync("sha256", key, "", "fingerprint", 6)).toString("hex");

  /** With tokens of 4 seconds: their end is no end. The channel renews, and presence comes again. */
  async function opensAMessage(t, own, text) {
    const { page, context } = await own.open();
    t.after(() => context.close());
    let tokens = 0;
    page.on("response", (response) => response.url().endsWith("/token") && tokens++);
    await bothSay(page, "Live");
    const before = tokens;
    await eventually("another token for both clients and presence", () => tokens >= before + 3, 30_000);
    await send(page, text);
    await arrives(page, text);
    await eventually("the visitor in the list", async () => (await page.locator(".people .who").count()) === 1);
    own.assertQuiet();
  }
});
