// What people do on the page of examples/todo, and what its tests look at.

import { after, before } from "node:test";
import { eventually, launchBrowser, startApp } from "./apps.mjs";

export const TEST = { timeout: 100_000 };
/** Attacks that are refused leave a line on the console: Chromium notes each failed request. */
export const REFUSED = [/status of (?:401|403|422)/, /blocked by CORS policy/, /net::ERR_FAILED/];
export const CUT = [/net::ERR_/, /status of (?:401|403|502|503)/];

/** Within a `describe`: one browser for its tests, and what starts the application in it. */
export function todoApps() {
  let browser;
  before(async () => {
    browser = await launchBrowser();
  }, TEST);
  after(() => browser?.close(), TEST);
  return (t, env = {}, options = {}) => startApp(t, "todo", { browser, env, ...options });
}

export const add = async (page, ...texts) => {
  for (const text of texts) {
    await page.getByPlaceholder("Add something").fill(text);
    await page.getByRole("button", { name: "Add", exact: true }).click();
  }
};
export const texts = (page) => page.locator(".items li:not(.ghost) label span").allInnerTexts();
export const layer = (page, name) => page.locator(".layer", { has: page.getByRole("heading", { name, exact: true }) });
export const state = (page) => page.locator(".state").getAttribute("data-state");
export const isLive = (page) => eventually("a live line", async () => (await state(page)) === "live");
export const allSent = (page) => eventually("an empty outbox", async () => (await page.locator(".items li.waiting").count()) === 0);
export const has = (page, ...wanted) => eventually(wanted.join(", "), async () => {
  const found = await texts(page);
  return wanted.every((text) => found.includes(text));
});

/** A state, wide and light, then small and dark. */
export async function pictured(app, page, name) {
  await app.pictures(page, name, { sizes: [[1280, 800]], themes: ["light"] });
  await app.pictures(page, name, { sizes: [[390, 844]], themes: ["dark"] });
}

export async function newList(app, name, options) {
  const person = await app.open("/", options);
  await start(person.page, name);
  return person;
}

export async function start(page, name) {
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Start a list" }).click();
  await page.getByPlaceholder("Add something").waitFor();
  await isLive(page);
  await page.getByRole("heading", { name: `${name}’s list` }).waitFor();
}

export async function invitation(page) {
  await page.getByRole("button", { name: "People and invitation" }).click();
  const link = await page.getByLabel("Invitation", { exact: true }).inputValue();
  await page.getByRole("button", { name: "Done" }).click();
  return new URL(link).hash;
}

export async function join(app, name, hash, options) {
  const person = await app.open(`/${hash}`, options);
  await person.page.getByLabel("Your name").fill(name);
  await person.page.getByRole("button", { name: "Join the list" }).click();
  return person;
}

export async function attack(page, name, button = "Try it") {
  const row = layer(page, name);
  await row.getByRole("button", { name: button }).click();
  await row.locator(".attack:not([hidden]) .shout").waitFor();
  return { row, text: await row.locator(".attack").innerText(), kind: await row.locator(".attack").getAttribute("class") };
}

export async function flip(page, name, isOn) {
  const control = layer(page, name).getByRole("switch");
  await control.click();
  await eventually(`${name} is ${isOn ? "on" : "off"}`, async () =>
    (await control.getAttribute("aria-checked")) === String(isOn) && (await control.isEnabled()));
}

export async function lockWith(page, passphrase) {
  await layer(page, "Your passphrase").getByRole("switch").click();
  await page.getByRole("textbox", { name: "Passphrase" }).fill(passphrase);
  await page.getByRole("button", { name: "I have it. Lock" }).click();
  await eventually("the lock", async () => (await layer(page, "Your passphrase").getAttribute("class")).includes(" on") && layer(page, "Your passphrase").getByRole("switch").isEnabled());
}

export const stranger = (app) => /^The stranger is (\S+)$/m.exec(app.output())[1];

/** How many changes this browser keeps for the time after a reload, if no passphrase seals them. */
export const kept = (page) => page.evaluate(() => new Promise((resolve) => {
  indexedDB.open("todo").onsuccess = ({ target: { result: database } }) => {
    const all = database.transaction("values").objectStore("values").getAll(IDBKeyRange.bound("outbox:", "outbox:~"));
    all.onsuccess = () => {
      database.close();
      resolve(all.result.map((text) => JSON.parse(text)).reduce((sum, { batch, waiting }) => sum + (batch?.changes.length ?? 0) + waiting.length, 0));
    };
  };
}));
