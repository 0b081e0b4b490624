// examples/e2ee-chat in Chromium: its promises, its states, and a server that lies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { randomBytes } from "node:crypto";
import { exportPublic, newAgreementPair, toHex } from "../../examples/lib/crypto.js";
import { verifyLink } from "../../examples/lib/words.js";
import { bubble, bubbles, EXPECTED, isOpened, join, keysOf, note, openChat, PASSWORD, say, sees, signedApi, signUp, tryNow, visit, withKey } from "./apps/e2ee-chat.mjs";
import { eventually, startApp } from "./apps.mjs";

const WORDS = ["The door code is 4815, ring twice", "<img src=x onerror=alert(1)> stays text", "Only tonight, I change it tomorrow"];
const PHONE = { sizes: [[390, 844]] };
const DESK = { sizes: [[1280, 800]] };
const LIGHT = { themes: ["light"] };
const DARK = { themes: ["dark"] };

const wordsFor = (page, label) => page.locator(`.comparing [aria-label="Words for ${label}"] li`).allTextContents();
const anotherKey = async () => exportPublic((await newAgreementPair()).publicKey);

test("the end-to-end chat", { timeout: 300_000 }, async (t) => {
  const app = await startApp(t, "e2ee-chat");
  const step = (name, run) => t.test(name, { timeout: 120_000 }, run);
  let lin, jonas;

  await step("an account is made by keyboard, and the page is empty", async () => {
    lin = await join(app, "Lin", { isHostile: true });
    await lin.page.getByText("Nobody else is here").waitFor();
    await lin.page.locator('.state[data-state="live"]').waitFor();
    await app.pictures(lin.page, "empty", { ...DESK, ...LIGHT });
    jonas = await visit(app, "Jonas");
    const { page } = jonas;
    await page.getByLabel("Your name").fill("lin");
    await page.getByLabel("Password").fill("short");
    await page.keyboard.press("Enter");
    await page.getByText("A password has at least 8 characters.").waitFor();
    await app.pictures(page, "refused", { ...PHONE, ...DARK });
    await page.getByLabel("Password").fill("another password");
    await page.getByRole("button", { name: "I have one: sign in" }).click();
    await page.getByText("Name and password do not fit").waitFor();
    await page.getByRole("button", { name: "Create an account" }).click();
    await page.getByText("is taken").waitFor();
  });

  await step("the private key is on P-256 and does not export", async () => {
    const { algorithm, extractable, exports } = await keysOf(lin);
    assert.deepEqual([algorithm, extractable], [{ name: "ECDH", namedCurve: "P-256" }, false]);
    assert.ok(exports.every((result) => result !== "exported"), exports.join());
  });

  await step("three ticks, then words travel as ciphertext and are opened", async () => {
    await signUp(jonas);
    await openChat(lin, "Jonas");
    await openChat(jonas, "Lin");
    await lin.page.getByText("of 100, then new keys").waitFor();
    for (const text of ["Keys met", "Both proved", "Sealed"]) await lin.page.locator(".shake li:not(.todo)").getByText(text).waitFor();
    await say(jonas, "Landed! Which door was it again?");
    await sees(lin, "Landed! Which door was it again?");
    await say(lin, "Through the back yard, the green one", WORDS[0]);
    await sees(jonas, WORDS[0]);
    await isOpened(lin);
    const frame = await lin.page.locator(".frame").textContent();
    assert.ok((await app.sources(/^frame sent/)).some(({ bytes }) => bytes.toString() === frame), "the panel shows a frame that travelled");
    await jonas.page.getByLabel("Message to Lin").pressSequentially("In.");
    await lin.page.getByText("Jonas is typing").waitFor();
    await say(jonas, "In. Your cat is judging me");
    await sees(lin, "In. Your cat is judging me");
    assert.equal(await lin.page.locator(".focus .bubble").textContent(), "In. Your cat is judging me");
  });

  await step("altered, replayed and missing messages are refused and shown", async () => {
    const capture = lin.line.received.filter(({ event }) => event === "client-message").at(-1);
    lin.capture = capture;
    const before = await bubbles(lin);
    const data = JSON.parse(capture.data);
    const flip = (text) => (text[30] === "A" ? "B" : "A");
    const altered = { ...data, sealed: data.sealed.slice(0, 30) + flip(data.sealed) + data.sealed.slice(31) };
    lin.line.inject({ ...capture, data: JSON.stringify(altered) });
    await note(lin, "One message did not open.");
    await app.pictures(lin.page, "talk", { ...DESK, ...LIGHT, check: false });
    await app.pictures(lin.page, "talk", { ...PHONE, ...DARK, check: false });
    lin.line.inject(capture);
    await note(lin, "A message came a second time.");
    lin.line.inject({ ...capture, data: JSON.stringify({ ...data, from: data.to, to: data.from }) });
    await eventually("another altered one", async () => (await lin.page.locator(".sys").count()) === 3);
    assert.deepEqual(await bubbles(lin), before, "nothing new was opened");
    let dropped = 0;
    lin.line.alter = (frame) => (frame.event === "client-message" && dropped++ < 2 ? [] : [frame]);
    await say(jonas, "lost 1", "lost 2", "after the gap");
    await note(lin, "2 messages are missing.");
    lin.line.alter = (frame) => [frame];
    await app.pictures(lin.page, "chat");
  });

  await step("words are the same on both sides, and verified is kept", async () => {
    const [mine, theirs] = [await keysOf(lin), await keysOf(jonas)];
    const compare = async (person) => {
      await person.page.getByRole("button", { name: "Compare" }).click();
      await person.page.locator(".comparing").waitFor();
    };
    await Promise.all([compare(lin), compare(jonas)]);
    assert.deepEqual(await wordsFor(lin.page, "Jonas"), await wordsFor(jonas.page, "You, Jonas"));
    assert.deepEqual(await wordsFor(lin.page, "You, Lin"), await wordsFor(jonas.page, "Lin"));
    assert.equal((await wordsFor(lin.page, "Jonas")).length, 8);
    await app.pictures(lin.page, "compare", { ...DESK, ...LIGHT });
    await app.pictures(lin.page, "compare", { ...PHONE, ...DARK });
    await jonas.page.keyboard.press("Escape");
    await jonas.page.locator("dialog").waitFor({ state: "detached" });
    await lin.page.getByRole("button", { name: "Both lines match" }).click();
    await lin.page.locator("h1 .chip.open").waitFor();

    // Jonas's camera opens the code on Lin's screen.
    const people = [{ id: mine.id, key: mine.key }, { id: theirs.id, key: theirs.key }];
    const link = await verifyLink(new URL("/verify", app.url).href, people);
    const scanned = await jonas.open(link);
    await scanned.getByText("The keys are the same").waitFor();
    assert.equal(new URL(scanned.url()).hash, "", "the fragment has left the address bar");
    assert.equal(await jonas.page.locator("h1 .chip.warn").count(), 1, "the link alone verifies nothing");
    await app.pictures(scanned, "verify", { ...PHONE, ...LIGHT });
    // Another code in the same tab: the verdict on the first one must not stay.
    await scanned.goto(`${app.url}/verify#${new URL(await verifyLink(app.url, [people[0], { id: theirs.id, key: await anotherKey() }])).hash.slice(1)}`);
    await scanned.getByText("The keys differ").waitFor();
    await app.pictures(scanned, "verify-differs", { ...PHONE, ...DARK });
    assert.equal(await scanned.getByRole("button", { name: /Mark/ }).count(), 0);
    assert.equal(new URL(scanned.url()).hash, "");
    await scanned.goto(link);
    await scanned.getByRole("button", { name: "Mark Lin as verified" }).click();
    await jonas.page.locator("h1 .chip.open").waitFor();
    for (const [fragment, text] of [
      [new URL(link).hash.slice(0, -4), "This link is damaged"],
      [new URL(await verifyLink(app.url, [people[0], { id: toHex(randomBytes(16)), key: theirs.key }])).hash, "This browser cannot compare"],
    ]) {
      await scanned.goto(`${app.url}/verify${fragment}`);
      await scanned.getByText(text).waitFor();
      assert.equal(await scanned.getByRole("button", { name: /Mark/ }).count(), 0);
    }
    await scanned.reload();
    await scanned.getByText("This link is damaged").waitFor();
    await scanned.close();
    assert.equal((await app.sources(/^request|^body/)).some(({ bytes }) => bytes.includes(new URL(link).hash.slice(1, 60))), false);
    await lin.page.reload();
    await openChat(lin, "Jonas");
    await lin.page.locator("h1 .chip.open").waitFor();
  });

  await step("an old capture stays shut after a reload", async () => {
    lin.line.inject(lin.capture);
    await note(lin, "A message stayed shut.");
    await say(lin, WORDS[1]);
    await sees(jonas, WORDS[1]);
    await isOpened(lin);
  });

  await step("one tab holds the chat, and another may take it over", async () => {
    await jonas.page.getByLabel("Message to Lin").waitFor();
    const tab = await jonas.open("/");
    await tab.getByText("The chat is open in another tab").waitFor();
    await app.pictures(tab, "another-tab", { ...DESK, ...DARK });
    await tab.getByRole("button", { name: "Continue here" }).click();
    await tab.getByText("You are Jonas on this browser.").waitFor();
    await jonas.page.getByText("The chat is open in another tab").waitFor();
    // What is decided here holds in the other tab as well.
    await openChat({ page: tab }, "Lin");
    await tab.getByRole("button", { name: "Compare" }).click();
    await tab.getByRole("button", { name: "They differ" }).click();
    await tab.getByText("Your words differ").waitFor();
    await tab.close();
    // The tab that waits goes on by itself.
    await jonas.page.getByText("Your words differ").waitFor();
    await jonas.page.getByRole("button", { name: "Compare again" }).click();
    await jonas.page.getByRole("button", { name: "Both lines match" }).click();
    await jonas.page.getByLabel("Message to Lin").waitFor();
    await say(lin, "back in the first tab");
    await sees(jonas, "back in the first tab");
    await isOpened(lin);
  });

  await step("100 messages written offline arrive once and in order", async () => {
    const texts = Array.from({ length: 100 }, (_, i) => `offline ${i}`);
    app.line.down();
    await lin.page.locator('.state[data-state="reconnecting"]').waitFor();
    await say(lin, WORDS[2]);
    await lin.page.evaluate((all) => {
      const [box, form] = [document.querySelector(".composer textarea"), document.querySelector("form.composer")];
      for (const text of all) {
        box.value = text;
        form.requestSubmit();
      }
    }, texts);
    await lin.page.getByText("101 messages wait here.").waitFor();
    assert.equal(await lin.page.locator(".wait").count(), 101);
    await app.pictures(lin.page, "reconnecting", { ...PHONE, ...DARK });
    await lin.context.setOffline(true);
    await lin.page.getByText("You are offline.").waitFor();
    await app.pictures(lin.page, "offline", { ...DESK, ...LIGHT });
    await lin.context.setOffline(false);
    app.line.up();
    await Promise.all([lin, jonas].map(tryNow));
    // A hundred messages, each sealed, sent, opened and acknowledged.
    await sees(jonas, "offline 99", { timeout: 60_000 });
    await isOpened(lin);
    const seen = await bubbles(jonas);
    assert.deepEqual(seen.slice(seen.indexOf(WORDS[2])), [WORDS[2], ...texts]);
  });

  await step("Sealcast restarts, and tokens are revoked: the chat goes on", async () => {
    await app.restartSealcast();
    await lin.page.locator('.state[data-state="live"]').waitFor();
    await jonas.page.locator('.state[data-state="live"]').waitFor();
    await say(jonas, "after the restart");
    await sees(lin, "after the restart");
    const { id } = await keysOf(jonas);
    await (await signedApi(app)).revokeUser(id);
    await say(jonas, "with a new token");
    await sees(lin, "with a new token");
    await isOpened(jonas);
  });

  await step("somebody who left: not delivered, and sent again on demand", async () => {
    await jonas.page.goto("about:blank");
    await lin.page.getByText("not here now", { exact: true }).waitFor();
    await say(lin, "are you there?");
    await lin.page.getByRole("button", { name: "Sign out" }).click();
    await lin.page.getByRole("heading", { name: "One message has not arrived" }).waitFor();
    await app.pictures(lin.page, "sign-out", { ...PHONE, ...DARK });
    await lin.page.getByRole("button", { name: "Stay" }).click();
    await lin.page.getByText("not delivered").waitFor();
    await app.pictures(lin.page, "not-delivered", { ...PHONE, ...LIGHT });
    await jonas.page.goto(app.url);
    await openChat(jonas, "Lin");
    assert.equal(await bubble(jonas, "are you there?").count(), 0);
    await lin.page.getByText("Jonas is here again").waitFor();
    await lin.page.locator(".above").getByRole("button", { name: "Send again" }).click();
    await sees(jonas, "are you there?");
    await isOpened(lin);
  });

  await step("another browser of the same person has another key, and that stops the chat", async () => {
    const before = await keysOf(jonas);
    const phone = await join(app, "Jonas", { create: false });
    await phone.page.getByText("This browser has no key of yours").waitFor();
    await app.pictures(phone.page, "key-missing", { ...PHONE, ...LIGHT });
    const second = await phone.open("/");
    await second.getByText("This browser has no key of yours").waitFor();
    await phone.page.getByRole("button", { name: "Make a new key here" }).click();
    await phone.page.getByText("You are Jonas on this browser.").waitFor();
    // A second tab makes no second key: it would replace the one that others see.
    await second.getByRole("button", { name: "Make a new key here" }).click();
    await second.getByText("The chat is open in another tab").waitFor();
    await second.close();
    await jonas.page.getByText("Another browser has made a new key").waitFor();
    await app.pictures(jonas.page, "another-browser", { ...DESK, ...LIGHT });
    await lin.page.getByRole("alert").getByText("This is not the key you verified").waitFor();
    assert.equal(await lin.page.locator(".composer").count(), 0, "nobody can type past it");
    await lin.page.getByText("Not the key you know").waitFor();
    await app.pictures(lin.page, "key-changed", { ...DESK, ...LIGHT });
    await app.pictures(lin.page, "key-changed", { ...PHONE, ...DARK });
    await lin.page.getByRole("button", { name: "Compare now" }).click();
    await lin.page.getByRole("button", { name: "They differ" }).click();
    await lin.page.locator(".halt").waitFor();
    // Back on the first device: its key is the one that Lin verified.
    await jonas.page.getByRole("button", { name: "Use this browser again" }).click();
    await jonas.page.getByText("You are Jonas on this browser.").waitFor();
    assert.deepEqual((await keysOf(jonas)).key, before.key);
    await lin.page.locator("h1 .chip.open").waitFor();
    await say(lin, "good to have you back");
    await sees(jonas, "good to have you back");
    await phone.context.close();
  });

  await step("a server that swaps keys is noticed", async () => {
    const [mine, theirs] = [await keysOf(lin), await keysOf(jonas)];
    const swapped = await anotherKey();
    // For somebody already known. While the storage cannot be read, nobody is taken for new.
    lin.line.alter = (frame) => [withKey(frame, theirs.id, swapped)];
    await lin.page.addInitScript(() => {
      if (!sessionStorage.getItem("read-fails")) return;
      IDBObjectStore.prototype.getAllKeys = () => {
        throw new DOMException("The disk does not answer.", "UnknownError");
      };
    });
    await lin.page.evaluate(() => sessionStorage.setItem("read-fails", "yes"));
    await lin.page.reload();
    await lin.page.locator("main, .notice").getByText("This browser cannot read the keys it knows.").first().waitFor();
    assert.equal(await lin.page.locator(".composer, .dir").count(), 0);
    await app.pictures(lin.page, "pins-unread", { ...PHONE, ...DARK });
    await lin.page.evaluate(() => sessionStorage.removeItem("read-fails"));
    await lin.page.getByRole("button", { name: "Load again" }).click();
    await openChat(lin, "Jonas");
    await lin.page.getByRole("alert").getByText("This is not the key you verified").waitFor();
    // For this browser itself.
    lin.line.alter = (frame) => [frame];
    const shows = (id, name, key) => lin.line.inject({
      event: "pusher_internal:member_added", channel: "presence-chat", data: JSON.stringify({ user_id: id, user_info: { name, key } }),
    });
    shows(theirs.id, "Jonas", theirs.key);
    shows(mine.id, "Lin", swapped);
    await lin.page.getByText("The server shows others a key that is not yours").waitFor();
    assert.equal(await lin.page.locator(".composer textarea").getAttribute("placeholder"), "Nothing is sent now");
    await app.pictures(lin.page, "own-key-swapped", { ...DESK, ...DARK });
    shows(mine.id, "Lin", mine.key);
    await lin.page.locator("h1 .chip.open").waitFor();

    // From the first sight: only the words tell, and no handshake with the true key passes.
    // Her browser keeps nothing, and her clock is a year ahead.
    const mara = await join(app, "Mara", {
      isHostile: true,
      prepare: () => {
        IDBFactory.prototype.open = () => {
          throw new DOMException("no", "SecurityError");
        };
        const now = Date.now.bind(Date);
        Date.now = () => now() + 365 * 86_400_000;
      },
    });
    await mara.page.getByText("This browser keeps nothing").waitFor();
    await app.pictures(mara.page, "storage-forbidden", { ...PHONE, ...DARK });
    await openChat(mara, "Lin");
    await say(mara, "does this browser work?");
    await lin.page.getByRole("link", { name: /Mara/ }).getByText("new message").waitFor();
    await openChat(lin, "Mara");
    await sees(lin, "does this browser work?");
    mara.line.alter = (frame) => [withKey(frame, mine.id, swapped)];
    await mara.page.reload();
    await mara.page.getByText("This browser’s storage could not be read").waitFor();
    await mara.page.getByRole("button", { name: "Make a new key here" }).click();
    await mara.page.getByRole("link", { name: /Lin/ }).waitFor();
    await mara.page.getByRole("link", { name: /Lin/ }).click();
    await mara.page.getByRole("button", { name: "Compare" }).click();
    await mara.page.locator(".comparing").waitFor();
    const shown = await wordsFor(mara.page, "Lin");
    await mara.page.getByRole("button", { name: "They differ" }).click();
    await mara.page.getByRole("alert").getByText("Your words differ").waitFor();
    await lin.page.getByRole("alert").getByText("This is not the key you saw first").waitFor();
    await lin.page.getByRole("button", { name: "Compare now" }).click();
    await lin.page.locator(".comparing").waitFor();
    assert.notDeepEqual(await wordsFor(lin.page, "You, Lin"), shown);
    await lin.page.keyboard.press("Escape");
    await mara.context.close();
  });

  await step("signing out: not without the backend, and then somebody else may sign in", async () => {
    // Each token is renewed after two seconds, until the backend goes away. And a directory can be full.
    let isAway = false;
    const headers = { "access-control-allow-origin": "*", "access-control-allow-headers": "*" };
    const other = await join(app, "Toni", {
      async before(page) {
        await page.route("**/token", async (route) => {
          if (isAway) return route.abort("connectionrefused");
          const response = await route.fetch();
          await route.fulfill({ response, json: { ...(await response.json()), seconds: 4 } });
        });
        await page.route("**/auth/channel", (route) => route.fulfill({ status: 403, headers, json: { error: "The channel has its 50 members." } }));
      },
    });
    await other.page.getByText("The channel has its 50 members.").waitFor();
    await other.page.unroute("**/auth/channel");
    await tryNow(other);
    await other.page.locator('.state[data-state="live"]').waitFor();
    isAway = true;
    await other.page.getByText("This page gets no new token").waitFor();
    await app.pictures(other.page, "no-token", { ...PHONE, ...DARK });
    isAway = false;
    await other.page.getByRole("button", { name: "Ask now" }).click();
    await other.page.getByText("This page gets no new token").waitFor({ state: "detached" });
    await other.page.unroute("**/token");
    await other.page.route("**/sessions/end", (route) => route.abort("connectionrefused"));
    await other.page.getByRole("button", { name: "Sign out" }).click();
    await other.page.getByText("The backend does not answer.").waitFor();
    await other.page.locator('.state[data-state="live"]').waitFor();
    await other.page.unroute("**/sessions/end");
    // The session ends elsewhere: this tab asks for a name again, and takes another one.
    await other.page.evaluate(() => fetch("/sessions/end", { method: "POST" }));
    await other.page.getByText("You are signed out.").waitFor();
    await other.page.getByLabel("Your name").fill("Uma");
    await other.page.getByLabel("Password").fill(PASSWORD);
    await other.page.getByRole("button", { name: "Create an account" }).click();
    await other.page.getByText("You are Uma on this browser.").waitFor();
    await other.page.locator('.state[data-state="live"]').waitFor();
    await other.context.close();
  });

  await step("no word is in any traffic, log, state or database", async () => {
    await lin.page.getByRole("link", { name: /Jonas/ }).click();
    await lin.page.getByRole("button", { name: "Sign out" }).click();
    await lin.page.getByRole("button", { name: "Create an account" }).waitFor();
    assert.deepEqual(await app.searchFor([...WORDS, "Which door was it again", "offline 42", "good to have you back"]), []);
    assert.ok((await app.searchFor(["client-message"])).length > 0, "the search finds what is there");
    assert.deepEqual(await app.searchFor([PASSWORD], /^log|^state|^line|^frame|^output/), []);
    assert.equal(await lin.page.locator("img").count(), 0);
    app.assertQuiet();
  });
});
