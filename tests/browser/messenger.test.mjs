// The messenger in a browser: rooms, messages and the line. One server and three people for all, because
// each part begins where the one before has ended. Tokens live for 20 seconds, so that they are renewed
// several times meanwhile.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually, launchBrowser } from "./apps.mjs";
import {
  account, bubble, choose, DESK, hasState, hide, newRoom, openMessenger, openRoom, PHONE, say, sees, TEST, texts,
} from "./messenger-steps.mjs";

const ROOM = "Allotment fourteen";
const PLANTED = [
  ROOM, "Who has the shed key this week?", "It hangs behind the beans", "Frost on Tuesday, they say", "The ladder is rotten",
  "queued message number", "Only for two pairs of eyes", "Greenhouse committee",
];

describe("messenger", () => {
  let browser;
  before(async () => {
    browser = await launchBrowser();
  }, TEST);
  after(() => browser?.close(), TEST);

  test("rooms that no server reads", TEST, async (t) => {
    const { app, api, allow, findings, frames, part, join, look } = await openMessenger(t, browser, { TOKEN_SECONDS: "20" });
    /** As when the browser says that it is online: no waiting for the next try. */
    const hurry = () => Promise.all([ann, mara, ife].map(({ page }) => page.evaluate(() => dispatchEvent(new Event("online")))));
    let ann;
    let mara;
    let ife;
    let channel;
    let typingEnds;

    await part("an account, an empty page, a room for three", async () => {
      // A slow answer shows a skeleton.
      const slowly = async (page) => {
        let answer;
        const held = new Promise((resolve) => (answer = resolve));
        // A request of the page before the reload is gone by then.
        await page.route("**/auth/refresh", (route) => held.then(() => route.continue()).catch(() => {}));
        await page.reload({ waitUntil: "commit" });
        await page.locator(".skel").first().waitFor();
        answer();
        await page.getByRole("heading", { name: "Log in" }).waitFor();
        await look(page, "enter", { sizes: PHONE, themes: ["light"] });
      };
      // One after the other: each has its own deadline, also on a busy machine.
      ann = await join("ann", "Ann", [], slowly);
      mara = await join("mara", "Mara");
      ife = await join("ife", "Ife");
      await look(ann.page, "empty", { sizes: PHONE, themes: ["dark"] });
      await newRoom(ann.page, "mara, ife", ROOM);
      channel = `private-room-${await ann.page.locator(".dir a[data-room]").first().getAttribute("data-room")}`;
      await Promise.all([mara, ife].map(({ page }) => openRoom(page, ROOM)));
      await say(mara.page, "Who has the shed key this week?");
      await sees(ann.page, "shed key");
      await say(ann.page, "Me. It hangs behind the beans");
      await Promise.all([mara, ife].map(({ page }) => sees(page, "behind the beans")));
      await ann.page.getByText("read by 2").waitFor();
      assert.equal(await ann.page.title(), `${ROOM} · Messenger`);
    });

    await part("typing is seen, and goes", async () => {
      await ife.page.locator("#message").pressSequentially("Fr");
      await ann.page.getByText("Ife is typing").waitFor();
      // While the next parts go on.
      typingEnds = ann.page.getByText("Ife is typing").waitFor({ state: "detached" });
    });

    await part("replies, reactions that toggle, deletion", async () => {
      await say(mara.page, "Frost on Tuesday, they say. Can somebody cover the courgettes?");
      await sees(ann.page, "Frost on Tuesday");
      await choose(ann.page, "Frost on Tuesday", "Thumb up");
      await mara.page.getByRole("button", { name: "Thumb up, 1: Ann" }).waitFor();
      await choose(ife.page, "Frost on Tuesday", "Heart");
      await ife.page.getByRole("button", { name: "Thumb up, 1: Ann" }).click();
      await ann.page.getByRole("button", { name: "Thumb up, 2: you and Ife" }).waitFor();
      await ife.page.getByRole("button", { name: /Heart, 1/ }).click();
      await ann.page.getByRole("button", { name: /Heart/ }).waitFor({ state: "detached" });

      await say(mara.page, "The ladder is rotten");
      await sees(ann.page, "ladder is rotten");
      const sealed = await eventually("the frame", () => frames.findLast((frame) => frame.includes(channel) && frame.includes('"row:')));
      const { data } = JSON.parse(sealed);
      const kept = async () => (await app.sources(/^state: messenger\.db/)).some(({ bytes }) => bytes.includes(data));
      assert.equal(await kept(), true, "the database had the ciphertext");
      await choose(mara.page, "ladder is rotten", "Delete for everybody");
      await Promise.all([ann, mara].map(({ page }) => page.getByText(/(Mara|You) deleted a message/).first().waitFor()));
      await eventually("the ciphertext to be gone from the database", async () => !(await kept()));

      await typingEnds;
      await choose(ife.page, "Frost on Tuesday", "Reply");
      await say(ife.page, "I’ll do Tuesday. And I can water on Thursday");
      await sees(ann.page, "I’ll do Tuesday");
      assert.match(await bubble(ann.page, "I’ll do Tuesday").locator(".quote").textContent(), /^MaraFrost on Tuesday/);
    });

    await part("the room looks as it should", async () => {
      await newRoom(ann.page, "mara");
      await say(ann.page, "Only for two pairs of eyes");
      await newRoom(ann.page, "ife", "Greenhouse committee");
      await say(ann.page, "Hello you");
      await openRoom(ann.page, ROOM);
      await ann.page.locator("body").click({ position: { x: 640, y: 30 } });
      await mara.page.locator("#message").pressSequentially("W");
      await ann.page.getByText("Mara is typing").waitFor();
      await look(ann.page, "room");
      await mara.page.locator("#message").fill("");
    });

    await part("who hides receipts sends none", async () => {
      await account(ife.page);
      await ife.page.getByRole("switch", { name: "Receipts" }).click();
      await ife.page.getByRole("button", { name: "Close" }).first().click();
      let sent = 0;
      ife.page.on("request", (request) => {
        if (request.url().endsWith("/marks")) sent += 1;
      });
      await say(ann.page, "Read this, please");
      await sees(ife.page, "Read this, please");
      await ann.page.getByText("read by 1").waitFor();
      assert.equal(sent, 0);
    });

    await part("search finds what was opened, also after a reload", async () => {
      await ann.page.reload();
      await hasState(ann.page, "live");
      await ann.page.locator("#find").fill("key SHED");
      const hit = ann.page.locator(".dir li a");
      await eventually("one hit", async () => (await hit.count()) === 1);
      await hit.click();
      await ann.page.locator(".msgs li.focus", { hasText: "shed key" }).waitFor();
      await ann.page.locator("#find").fill("no such words");
      await ann.page.getByText("Nothing with “no such words”").waitFor();
      await ann.page.locator("#find").fill("");
    });

    await part("altered and repeated frames are refused, shown, and hide nothing", async () => {
      const { event, data } = JSON.parse(frames.findLast((frame) => frame.includes(channel) && frame.includes('"row:')));
      const [, row, ...rest] = event.split(":");
      await api.trigger(channel, ["row", Number(row) + 1, ...rest].join(":"), data);
      await mara.page.getByText("This message came a second time, and was refused.").waitFor();
      const altered = data.slice(0, 30) + (data[30] === "A" ? "B" : "A") + data.slice(31);
      const other = [rest[0], rest[1], Number(rest[2]) + 1, "0".repeat(32), rest[4]];
      await api.trigger(channel, ["row", Number(row) + 1, ...other].join(":"), altered);
      await mara.page.getByText("A message did not open").waitFor();
      await say(ann.page, "And this one still arrives");
      await sees(mara.page, "this one still arrives");
      await look(mara.page, "broken", { sizes: DESK, themes: ["light"] });
      await assert.rejects(api.trigger(channel, event, "plain text"), { status: 422 });
    });

    await part("a lost line: what is written waits, also over a reload", async () => {
      app.line.down();
      await hasState(ann.page, "reconnecting");
      await say(ann.page, "Then I’ll bring the fleece over");
      await ann.page.getByText("waits here, sealed").waitFor();
      await ann.page.reload();
      await ann.page.getByText("1 message waits here.").waitFor();
      await openRoom(ann.page, ROOM);
      await say(ann.page, "Does anyone still have the long pegs?");
      await ann.page.getByText("2 messages wait here.").waitFor();
      await look(ann.page, "reconnecting", { sizes: DESK, themes: ["dark"] });
      await look(ann.page, "reconnecting", { sizes: PHONE, themes: ["light"] });
      app.line.up();
      await hurry();
      await sees(mara.page, "long pegs");
      assert.equal((await texts(mara.page, "bring the fleece")).length, 1);
    });

    await part("a refusal of Sealcast is its own sentence", async () => {
      const tab = await ann.context.newPage();
      tab.allowed = allow();
      await tab.route("**/config.json", async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, json: { ...(await response.json()), key: "no-such-key" } });
      });
      await tab.goto(app.url);
      await hasState(tab, "refused");
      await look(tab, "refused", { sizes: DESK, themes: ["light"] });
      await tab.close();
    });

    await part("100 unsent messages, and a reader who was away: all, once, in order", async () => {
      await Promise.all([ann, mara].map(({ context }) => context.setOffline(true)));
      await Promise.all([ann, mara].map(({ page }) => hasState(page, "offline")));
      await ann.page.evaluate(() => {
        const input = document.querySelector("#message");
        for (let i = 1; i <= 100; i++) {
          input.value = `queued message number ${i}`;
          document.querySelector(".composer").requestSubmit();
        }
      });
      await ann.page.getByText("100 messages wait here.").waitFor();
      await look(ann.page, "offline", { sizes: PHONE, themes: ["dark"] });
      await ann.context.setOffline(false);
      await bubble(ife.page, "queued message number 100").waitFor({ timeout: 30_000 });
      // The line's own log is empty now: what mara missed comes from the database.
      await api.clear(channel);
      await mara.context.setOffline(false);
      await sees(mara.page, "queued message number 100");
      await mara.page.getByText("100 messages came while you were away").waitFor();
      const expected = Array.from({ length: 100 }, (_, i) => `queued message number ${i + 1}`);
      for (const { page } of [ife, mara]) assert.deepEqual(await texts(page, "queued message"), expected);
      await mara.page.locator(".day.unread").scrollIntoViewIfNeeded();
      await look(mara.page, "caught-up", { sizes: PHONE, themes: ["light"] });
    });

    await part("a message that is refused can be taken back", async () => {
      await ann.page.route("**/messages", (route) => route.fulfill({ status: 413, json: { error: "This message is too long." } }), { times: 1 });
      ann.page.allowed.push(/status of 413/);
      await say(ann.page, "Too long, they say");
      await ann.page.getByText("A message was refused").waitFor();
      await ann.page.getByRole("button", { name: "Take it back" }).click();
      // It leaves the outbox on the disk first.
      await eventually("the text is back", async () => (await ann.page.locator("#message").inputValue()) === "Too long, they say");
      await ann.page.locator("#message").fill("x".repeat(3000) + "€".repeat(900));
      await ann.page.locator("#message").press("Enter");
      await ann.page.getByText("Send it in parts.").waitFor();
      await ann.page.locator("#message").fill("");
    });

    await part("Sealcast is killed in the midst", async () => {
      const restarted = app.restartSealcast("SIGKILL");
      await say(ann.page, "Written while it was down");
      await restarted;
      await hurry();
      await sees(mara.page, "Written while it was down");
      await Promise.all([ann, mara, ife].map(({ page }) => hasState(page, "live")));
    });

    await part("a hidden tab: one notification, and a count in the title", async () => {
      await openRoom(ife.page, "Greenhouse");
      await openRoom(ife.page, ROOM);
      await account(ife.page);
      await ife.page.evaluate(() => {
        window.notes = [];
        window.Notification = class {
          static permission = "granted";
          static requestPermission = async () => "granted";
          constructor(title) {
            window.notes.push(title);
          }
        };
      });
      await ife.page.getByRole("button", { name: "Turn on" }).click();
      await ife.page.getByRole("button", { name: "Turn off" }).waitFor();
      await ife.page.keyboard.press("Escape");
      await hide(ife.page, true);
      await say(ann.page, "Are you there?");
      await eventually("a count in the title", async () => /^\(1\) /.test(await ife.page.title()));
      assert.deepEqual(await ife.page.evaluate(() => window.notes), ["New message"]);
      await ife.page.evaluate(() => window.notes.splice(0));
      await account(ife.page);
      await ife.page.getByRole("switch", { name: /Show the text/ }).click();
      await ife.page.keyboard.press("Escape");
      await say(ann.page, "Hello?");
      await eventually("a second one", async () => (await ife.page.evaluate(() => window.notes)).join() === "Ann: Hello?");
      await hide(ife.page, false);
      await eventually("no count", async () => /^[^(]/.test(await ife.page.title()));
    });

    await part("a phone shows the list, then the talk", async () => {
      for (const [width, height] of [[390, 844], [360, 640]]) {
        await ann.page.setViewportSize({ width, height });
        await ann.page.reload();
        await hasState(ann.page, "live");
        assert.equal(await ann.page.locator(".talk").isVisible(), false);
        await openRoom(ann.page, ROOM);
        await ann.page.locator("#message").waitFor();
        assert.equal(await ann.page.locator(".dir").isVisible(), false);
        await ann.page.getByRole("button", { name: "All rooms" }).click();
        await ann.page.locator(".dir").waitFor();
      }
      await look(ann.page, "list", { sizes: PHONE });
      await ann.page.setViewportSize({ width: 1280, height: 800 });
      await openRoom(ann.page, ROOM);
    });

    await part("nothing that was written is anywhere on the way", async () => {
      await ann.page.reload();
      await hasState(ann.page, "live");
      assert.deepEqual(await app.searchFor(PLANTED), []);
      assert.deepEqual(findings, []);
      app.assertQuiet();
    });
  });
});
