// A page of the console in a real browser: all that travels, all that it complains about, and looks.

import { axeFindings } from "./apps/look.mjs";
import { eventually, SEE_MS } from "./support.mjs";

export { axeFindings };

export const SCREENS = {
  overview: "Overview", live: "Live events", channels: "Channels", connections: "Connections", keys: "Keys",
  authorization: "Authorization", send: "Send an event", webhooks: "Webhooks", reference: "API reference",
  nodes: "Nodes", configuration: "Configuration", audit: "Audit log", more: "More",
};
export const WIDTHS = [1440, 768, 390];

/** Chromium notes each refused request by itself. These are answers that a screen shows in words. */
const EXPECTED = [
  /status of 401 .*\/console\/(session|api\/)/,
  /status of 404 .*\/webhooks(\/log)?\?limit=/,
  /status of 409 .*\/keys$/,
];

/**
 * A browser's page with its traffic. `complaints` holds errors, CSP and Trusted Types reports, and
 * requests to other servers; `allow` are patterns of expected ones.
 */
export async function openPage(t, browser, { allow = [], width = 1440, theme = "light" } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme, reducedMotion: "reduce", acceptDownloads: true });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(SEE_MS);
  const complaints = [];
  const traffic = [];
  const allowed = [...EXPECTED, ...allow];
  const complain = (text) => allowed.some((pattern) => pattern.test(text)) || complaints.push(text);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complain(`${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => complain(`pageerror: ${error.stack ?? error}`));
  page.on("websocket", (socket) => {
    if (!socket.url().includes("/console/socket")) return;
    socket.on("framereceived", ({ payload }) => traffic.push({ source: "frame received", bytes: Buffer.from(String(payload)) }));
    socket.on("framesent", ({ payload }) => traffic.push({ source: "frame sent", bytes: Buffer.from(String(payload)) }));
  });
  page.on("response", (response) => {
    const url = new URL(response.url());
    if (url.protocol === "data:") return;
    if (url.hostname !== "127.0.0.1") complain(`request to ${url.href}`);
    const pending = response.body().then((bytes) => traffic.push({ source: `answer of ${url.pathname}`, bytes }), () => {});
    traffic.push({ source: "pending", bytes: Buffer.alloc(0), pending });
  });
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`)));
  const frames = (kind = "received") => traffic.filter(({ source }) => source === `frame ${kind}`).map(({ bytes }) => JSON.parse(bytes));
  return { context, page, complaints, traffic, frames };
}

/** Opens the console signed in by a one-time link. */
export async function signedIn(t, browser, server, options) {
  const tab = await openPage(t, browser, options);
  await tab.page.goto(await server.link());
  await isConnected(tab.page);
  return tab;
}

export const isConnected = (page) => page.locator(".live .vh", { hasText: /Live|Paused/ }).waitFor({ state: "attached" });

/** Goes to a screen as a link does, and waits until it has come. */
export async function goTo(page, name, rest = "", title = SCREENS[name]) {
  await page.evaluate((hash) => { location.hash = hash; }, `#/${name}${rest}`);
  await page.locator("h1", { hasText: title }).waitFor();
}

/** Until nothing is a skeleton any more. */
export const isFilled = (page) =>
  eventually("a filled screen", () => page.evaluate(() => document.querySelector("main")?.textContent.trim() !== "" && !document.querySelector("main .skeleton")));

const sideways = (page) => page.evaluate(() => {
  const wide = [...document.querySelectorAll("html, main, main .scroll, .detail, dialog[open]")].filter((it) => it.scrollWidth > it.clientWidth + 1);
  return wide.map((it) => `${it.tagName}.${it.className} is ${it.scrollWidth - it.clientWidth} px too wide`);
});

const GROUND = { light: "rgb(245, 244, 240)", dark: "rgb(16, 14, 19)" };

/** Findings of axe-core and sideways scrolling in both themes, at the width that the page has. */
export async function findings(page, what, { themes = ["light", "dark"], axe = true } = {}) {
  const found = [];
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const here = ground === GROUND[theme] ? [] : [`the ground is ${ground}`];
    here.push(...(await sideways(page)), ...(axe ? await axeFindings(page) : []));
    found.push(...here.map((it) => `${what}, ${theme}, ${page.viewportSize().width} px: ${it}`));
    await picture(page, `${what}-${theme}-${page.viewportSize().width}`);
  }
  return found;
}

/** The same at all widths, each after the screen is filled. axe-core looks at the widest and the narrowest. */
export async function findingsAtAllWidths(page, what, { filled = true, ...options } = {}) {
  const found = [];
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    if (filled) await isFilled(page);
    found.push(...(await findings(page, what, { axe: width !== 768, ...options })));
  }
  return found;
}

/** A picture, when `PICTURES` names a folder. */
async function picture(page, name) {
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/console-${name.replaceAll(" ", "-")}.png` });
}

/** The DOM with the values of all fields, and what the browser stores. */
export async function contentOf({ page, context, traffic }) {
  await Promise.all(traffic.map(({ pending }) => pending));
  const dom = await page.evaluate(() => document.documentElement.outerHTML + [...document.querySelectorAll("input, textarea")].map(({ value }) => value).join("\n"));
  const stored = await page.evaluate(async () => JSON.stringify([
    { ...localStorage }, { ...sessionStorage }, document.cookie, await caches.keys(), await indexedDB.databases(), history.state, location.href,
  ]));
  const state = JSON.stringify((await context.storageState()).origins);
  return [{ source: "DOM", bytes: Buffer.from(dom) }, { source: "storage", bytes: Buffer.from(stored + state) }];
}
