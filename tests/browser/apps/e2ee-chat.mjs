// People of examples/e2ee-chat, and a hostile server between one of them and the rest.

import { readFile } from "node:fs/promises";
import { serverApi } from "../../../examples/lib/tokens.mjs";
import { eventually } from "../apps.mjs";

export const PASSWORD = "correct horse";

/** A line that is cut, and requests that are refused on purpose, are noted on the console. */
export const EXPECTED = [/WebSocket connection to .* failed/, /the server responded with a status of (?:400|401|403|409|503)/, /ERR_CONNECTION/];

/**
 * `isHostile`: `person.line` then alters what the server says. `alter(frame)` gets the parsed frame
 * and returns a list of frames; `inject(frame)` says something by itself. `prepare` runs in the page
 * ahead of its scripts, and `before(page)` ahead of the page.
 */
export async function join(app, name, { create = true, ...options } = {}) {
  const person = await visit(app, name, options);
  await signUp(person, { create });
  return person;
}

/** The sign-in page, as a person sees it first. */
export async function visit(app, name, { isHostile = false, prepare, before, ...options } = {}) {
  const person = await app.open("about:blank", { allow: EXPECTED, ...options });
  person.name = name;
  if (prepare) await person.page.addInitScript(prepare);
  if (isHostile) person.line = await hostileLine(person.page);
  await before?.(person.page);
  await person.page.goto(new URL("/", app.url).href);
  return person;
}

export async function signUp({ page, name }, { create = true } = {}) {
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: create ? "Create an account" : "I have one: sign in" }).click();
  if (create) await page.getByText(`You are ${name} on this browser.`).waitFor();
}

async function hostileLine(page) {
  const line = { alter: (frame) => [frame], received: [], inject: (frame) => line.socket.send(JSON.stringify(frame)) };
  await page.routeWebSocket(/\/app\//, (socket) => {
    const server = socket.connectToServer();
    line.socket = socket;
    socket.onMessage((text) => server.send(text));
    server.onMessage((text) => {
      const frame = JSON.parse(text);
      line.received.push(frame);
      for (const altered of line.alter(frame)) socket.send(JSON.stringify(altered));
    });
  });
  return line;
}

/** The frame with another public key for this person, wherever the directory names it. */
export function withKey(frame, id, key) {
  if (frame.channel !== "presence-chat" || typeof frame.data !== "string") return frame;
  const data = JSON.parse(frame.data);
  if (data.presence?.hash?.[id]) data.presence.hash[id].key = key;
  if (data.user_id === id && data.user_info) data.user_info.key = key;
  return { ...frame, data: JSON.stringify(data) };
}

export async function openChat({ page }, name) {
  await page.getByRole("link", { name: new RegExp(`^${name}|${name}`) }).first().click();
  await page.getByLabel(`Message to ${name}`).or(page.locator(".halt")).first().waitFor();
}

export async function say({ page }, ...texts) {
  const box = page.locator(".composer textarea");
  for (const text of texts) {
    await box.fill(text);
    await box.press("Enter");
  }
}

/** The page may try by itself in the same moment, and take the button away. */
export const tryNow = ({ page }) => page.evaluate(() => document.querySelector(".line button")?.click());

export const bubble = ({ page }, text) => page.locator(".bubble").getByText(text, { exact: true });
export const sees = (person, text, options) => bubble(person, text).first().waitFor(options);
export const note = ({ page }, text) => page.locator(".sys").getByText(text).first().waitFor();
export const bubbles = ({ page }) => page.locator(".bubble").allTextContents();
/** All that this person wrote is acknowledged. */
export const isOpened = (person) =>
  eventually(`everything of ${person.name} opened`, async () =>
    (await person.page.locator(".mine:not(.wait) .meta .open").count()) > 0 && (await person.page.locator(".wait").count()) === 0
    && !(await person.page.locator(".mine .meta").allTextContents()).some((text) => text.endsWith("sent")));

/** This browser's account id, public key, and what an export of the private one says. */
export const keysOf = ({ page }) => page.evaluate(async () => {
  const database = await new Promise((resolve) => {
    const request = indexedDB.open("e2ee-chat");
    request.onsuccess = () => resolve(request.result);
  });
  const store = database.transaction("values").objectStore("values");
  const read = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const [[place], [pair]] = await Promise.all([read(store.getAllKeys(IDBKeyRange.bound("pair/", "pair/~"))), read(store.getAll(IDBKeyRange.bound("pair/", "pair/~")))]);
  database.close();
  const tries = ["pkcs8", "jwk", "raw"].map((form) => crypto.subtle.exportKey(form, pair.privateKey).then(() => "exported", ({ name }) => name));
  const { buffer } = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return {
    id: place.slice(5), algorithm: pair.privateKey.algorithm, extractable: pair.privateKey.extractable, exports: await Promise.all(tries),
    key: btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
  };
});

export async function signedApi(app) {
  const secret = (await readFile(`${app.stateDir}/app-secret`, "utf8")).trim();
  return serverApi({ url: () => app.sealcastUrl, app: { id: "1001", key: "example-key", secret } });
}
