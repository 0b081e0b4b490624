// The backend's part of the attacks: it plays the thief of a disk, the operator and the neighbour.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Refusal } from "../lib/server.mjs";
import { readAsOperator } from "./operator.mjs";
import { appFor, endPasses, makePass, namesOf } from "./passes.mjs";
import { memberOf } from "./routes.mjs";

const LOST = "lost-phone";
/** No list of the store has this number. */
const NEIGHBOUR = 0;
const NEIGHBOURS_LIST = {
  version: 1, applied: [],
  state: { title: "Rosa’s list", items: [{ id: "n1", text: "Hide the ring for Yusuf", done: false, by: { id: "rosa", name: "Rosa" } }] },
};
/** Sealcast writes its journal within 200 ms. */
const JOURNAL_MS = 500;

export function attackRoutes(backend) {
  const { secrets, store, stateDir, passSeconds } = backend;
  /** A device like others: with its user's removal its passes end, too. */
  const lostPhone = (list, user) => store.subjectOf(list.id, user.id, LOST);
  const enter = (context) => {
    const { user, list } = memberOf(backend, context);
    return { user, list, layers: list.layers, app: appFor(context, secrets, list.layers) };
  };

  return {
    // A pass of the user's lost phone, good as any.
    "POST /lists/:list/attacks/leak": async (context) => {
      const { user, list, layers, app } = enter(context);
      return makePass(app, list.id, layers, { subject: lostPhone(list, user), info: { name: user.name, user: user.id, device: "lost phone" }, seconds: passSeconds });
    },
    "POST /lists/:list/attacks/leak/end": async (context) => {
      const { user, list, layers, app } = enter(context);
      // Without the layer nobody keeps a list of passes that are out.
      if (layers.passes) {
        await endPasses(app, list.id, layers, lostPhone(list, user));
        store.endTurns(list.id, user.id, LOST);
      }
      return { ended: layers.passes };
    },
    "POST /lists/:list/attacks/neighbour": async (context) => {
      const { layers, app } = enter(context);
      const theirs = { ...layers, passphrase: false };
      await app.api.trigger(namesOf(app, NEIGHBOUR, theirs).channel, "client-list", NEIGHBOURS_LIST);
      return { guess: namesOf(app, NEIGHBOUR, { ...theirs, names: false }).channel };
    },
    // A browser hides the answer from the stranger, so the request is sent once more to show it.
    "POST /lists/:list/attacks/origin": async (context) => {
      const { app } = enter(context);
      const { origin, token, event } = context.body ?? {};
      if (!backend.pages.includes(origin) || origin === context.origin) throw new Refusal(400, "This is not the stranger.");
      const answer = await fetch(`${context.sealcast.url}/app/${app.key}/events`, {
        method: "POST",
        headers: { origin, authorization: `Bearer ${String(token)}`, "content-type": "application/json" },
        body: JSON.stringify(event),
        signal: AbortSignal.timeout(5000),
      });
      return { status: answer.status, ...(await answer.json()) };
    },
    // The page sends a word made for this search, so no word of the list leaves it. A word of any
    // language is shorter, so nobody searches the lists of others with this.
    "POST /lists/:list/attacks/disk": async (context) => {
      enter(context);
      const marker = String(context.body?.marker);
      if (!/^[a-z]{30,40}$/.test(marker)) throw new Refusal(400, "This needs a word to search for.");
      await new Promise((resolve) => setTimeout(resolve, JOURNAL_MS));
      return searchDisk(stateDir, marker);
    },
    "POST /lists/:list/attacks/operator": async (context) => {
      const { list, layers, app } = enter(context);
      return readAsOperator(context.sealcast.url, backend.pages[0], app, namesOf(app, list.id, layers).channel);
    },
  };
}

async function searchDisk(folder, marker) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const result = { files: 0, bytes: 0, hits: [] };
  for (const entry of entries.filter((item) => item.isFile())) {
    const bytes = await readFile(join(entry.parentPath ?? entry.path, entry.name)).catch(() => Buffer.alloc(0));
    result.files += 1;
    result.bytes += bytes.length;
    const forms = { plain: marker, base64: Buffer.from(marker).toString("base64").slice(0, -4), hex: Buffer.from(marker).toString("hex") };
    for (const [form, text] of Object.entries(forms)) {
      const at = bytes.indexOf(text);
      if (at >= 0) result.hits.push({ file: entry.name, form, at, around: bytes.subarray(Math.max(0, at - 24), at + 48).toString("latin1").replace(/[^\x20-\x7e]/g, "·") });
    }
  }
  return result;
}
