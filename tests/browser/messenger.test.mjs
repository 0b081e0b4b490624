// The messenger in a browser: every promise of its README, its states and pictures.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually, launchBrowser, startApp } from "./apps.mjs";

const TEST = { timeout: 120_000 };
const PASSWORD = "correct horse battery";

/** A person in a browser of their own, with an account. */
async function join(app, user, name, options) {
  const person = await app.open("/", options);
  await register(person.page, user, name);
  return { ...person, user };
}

async function register(page, user, name) {
  await page.getByRole("button", { name: "Make an account" }).click();
  await page.getByLabel("User name").fill(user);
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Make the account" }).click();
  await live(page);
}

async function logIn(page, user, password = PASSWORD) {
  await page.getByLabel("User name").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
}

const live = (page) => page.locator('.state[data-state="live"]').waitFor({ state: "attached" });

async function newRoom(page, users, title = "") {
  await page.getByRole("button", { name: "New room or conversation" }).click();
  await page.getByLabel("User names").fill(users);
  await page.getByLabel("Name of the room").fill(title);
  await page.getByRole("button", { name: "Make it" }).click();
  await page.locator("dialog").waitFor({ state: "detached" });
}

async function say(page, text) {
  await page.locator("#message").fill(text);
  await page.locator("#message").press("Enter");
}

const bubble = (page, text) => page.locator(".msgs li:not(.wait)", { has: page.locator(".bubble .text", { hasText: text }) });
const sees = (page, text) => bubble(page, text).first().waitFor();

describe("messenger", () => {
  let browser;
  before(async () => {
    browser = await launchBrowser();
  }, TEST);
  after(() => browser?.close(), TEST);

  test("smoke", TEST, async (t) => {
    const app = await startApp(t, "messenger", { browser });
    t.after(() => { console.log(app.complaints, app.output().slice(-3000)); });
    const ann = await join(app, "ann", "Ann Archer");
    const bob = await join(app, "bob", "Bob");
    await newRoom(ann.page, "bob", "Allotment 14");
    await say(ann.page, "Who has the shed key?");
    await sees(ann.page, "Who has the shed key?");
    await bob.page.getByRole("link", { name: /Allotment 14/ }).click();
    await sees(bob.page, "Who has the shed key?");
    await say(bob.page, "Me. It hangs behind the beans");
    await sees(ann.page, "behind the beans");
    await app.pictures(ann.page, "smoke");
    app.assertQuiet();
  });
});
