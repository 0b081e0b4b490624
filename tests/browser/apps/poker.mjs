// What the tests of planning poker do at a table.

import { openClient } from "../../../examples/lib/publish.js";
import { openLink } from "../../../examples/planning-poker/public/link.js";

export const TEST = { timeout: 120_000 };
/** Chromium notes each request that finds no line. */
export const LINE = [/net::ERR_/];

/** One size and theme, for small states. */
export const PHONE = { sizes: [[390, 844]], themes: ["dark"] };

export async function openTable(page, name) {
  await page.getByRole("button", { name: "Open a table" }).click();
  await sit(page, name, false);
}

export async function sit(page, name, watches) {
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: watches ? "Just watch" : "Sit down" }).click();
  await page.locator(".felt .seats").waitFor({ state: "attached" });
}

/** Another person, in a context of their own. */
export async function join(app, link, name, { watches = false, ...options } = {}) {
  const person = await app.open(link, options);
  await sit(person.page, name, watches);
  return person;
}

export const linkOf = async (page) => `/#k=${await page.evaluate(() => sessionStorage.getItem("pp-key"))}`;
export const stateOf = async (page) => (await page.locator(".state").textContent()).trim();
export const vote = (page, label) => page.getByRole("radio", { name: { "½": "one half", zero: "0" }[label] ?? (label === "?" ? "not sure" : label), exact: true }).check({ force: true });

/** Waits for a text; `hidden` also takes one that is not visible. */
export const saw = (page, text, inside = "body", { hidden = false } = {}) =>
  page.locator(inside).filter({ hasText: text }).first().waitFor({ state: hidden ? "attached" : "visible" })
    .catch(async (error) => {
      throw new Error(`not seen: ${text}\n${(await page.locator("body").innerText()).slice(0, 2000)}`, { cause: error });
    });

/** Names of the seats; oneself last. */
export const seats = (page) => page.locator(".seat p > span").allTextContents();
/** Names of those whose card lies like this: `back` or `up`. */
export const laid = (page, state) => page.locator(".seat").filter({ has: page.locator(`.pcard[data-state="${state}"]`) }).locator("p > span").allTextContents();

/** Somebody with a token for the room, as the backend gives to anybody who knows its id. With the key, too. */
export async function outsider(app, link) {
  const keys = await openLink(link.slice(4));
  const channel = `private-cache-pp-${keys.room}`;
  const ask = (body) => fetch(`${app.url}/rooms/${keys.room}/token`, {
    method: "POST", body, headers: { origin: app.url, "content-type": "application/json" },
  });
  const { token } = await (await ask(JSON.stringify({ player: "f".repeat(32) }))).json();
  const client = openClient({ url: `${app.sealcastUrl}/app/example-key`, token: async () => token, tries: 1 });
  return {
    keys, channel, client, ask,
    async read() {
      const answer = await client.last(channel);
      return answer.status === "event" ? keys.open(answer.event.data) : null;
    },
  };
}
