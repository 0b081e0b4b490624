// What people do in the messenger, for its tests in a browser.

import { readFile } from "node:fs/promises";
import { join as pathOf } from "node:path";
import { serverApi } from "../../examples/lib/tokens.mjs";
import { startApp } from "./apps.mjs";

export const TEST = { timeout: 170_000 };
export const PHONE = [[390, 844]];
export const DESK = [[1280, 800]];
/** A press waits until its target stands still. */
export const STILL = "reduce";
const PASSWORD = "correct horse battery";

export async function register(page, user, name) {
  await page.getByRole("button", { name: "Make an account" }).click();
  await page.getByLabel("User name").fill(user);
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Make the account" }).click();
  await hasState(page, "live");
}

export async function logIn(page, user, password = PASSWORD) {
  await page.getByLabel("User name").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
}

export const hasState = (page, state) => page.locator(`.state[data-state="${state}"]`).waitFor({ state: "attached" });

export async function newRoom(page, users, title = "") {
  await page.getByRole("button", { name: "New room or conversation" }).click();
  await page.getByLabel("User names").fill(users);
  await page.getByLabel("Name of the room").fill(title);
  await page.getByRole("button", { name: "Make it" }).click();
  await page.locator("dialog").waitFor({ state: "detached" });
}

export async function say(page, text) {
  await page.locator("#message").fill(text);
  await page.locator("#message").press("Enter");
}

export const openRoom = (page, name) => page.locator(".dir a", { hasText: name }).first().click();
export const bubble = (page, text) => page.locator(".msgs li:not(.wait)", { has: page.locator(".bubble .text", { hasText: text }) });
export const sees = (page, text) => bubble(page, text).first().waitFor();
export const texts = (page, part) => page.locator(".msgs li:not(.wait) .bubble .text", { hasText: part }).allTextContents();

export async function choose(page, text, action) {
  await bubble(page, text).first().locator(".acts").click();
  await page.locator("#actions").getByRole("button", { name: action }).click();
}

export const account = (page) => page.getByRole("button", { name: "Account and devices" }).click();

export async function logOut(page, answer) {
  await account(page);
  await page.getByRole("button", { name: "Log out", exact: true }).click();
  await page.getByRole("button", { name: answer }).click();
  await page.getByRole("heading", { name: "Log in" }).waitFor();
}

export async function hide(page, isHidden) {
  await page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden ? "hidden" : "visible");
}

export const dialogWords = (page) => page.locator("dialog .eight li").allTextContents();

/** `env` for the server. `frames` are those that the first person's page has received. */
export async function openMessenger(t, browser, env = {}) {
  const app = await startApp(t, "messenger", { browser, env });
  const secret = (await readFile(pathOf(app.stateDir, "app-secret"), "utf8")).trim();
  const api = serverApi({ url: () => app.sealcastUrl, app: { id: "1001", key: "example-key", secret } });
  // The line is cut and Sealcast killed on purpose, and a lost race is an answer.
  const allow = () => [/net::ERR_/, /WebSocket connection to .* failed/, /status of (409|503)/, /WebSocket is already in CLOSING/];
  const findings = [];
  const frames = [];
  return {
    app, api, allow, findings, frames,
    part: (name, work) => t.test(name, TEST, work),
    /** A person in a browser of their own, with an account. */
    async join(user, name, more = [], before = () => {}) {
      const person = await app.open("/", { allow: [...allow(), ...more], reducedMotion: STILL });
      person.page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => user === "ann" && frames.push(String(payload))));
      await before(person.page);
      await register(person.page, user, name);
      return { ...person, user };
    },
    /** Findings of axe-core are told at the end: the other parts do not depend on them. */
    async look(page, name, options) {
      await page.evaluate(() => document.querySelectorAll(".toast").forEach((node) => node.remove()));
      await app.pictures(page, name, options).catch((error) => findings.push(...[error.actual ?? error].flat()));
      await page.emulateMedia({ reducedMotion: STILL });
    },
  };
}
