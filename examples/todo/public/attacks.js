// The attacks, run for real. Each resolves with what was sent, what came back, and whether it held.

import { ask } from "./backend.js";
import { changes } from "./changes.js";
import { unlock } from "./envelope.js";
import { atStranger } from "./stranger-frame.js";

const LOOT = "40 crates of fireworks";
const WAIT_MS = 15_000;

/** `held`, a headline, a sentence, rows of term and text, and the item that never arrived. */
const result = (held, text, rows, more = {}) =>
  ({ held, headline: held ? "It held. Nothing was written." : "It got in.", text, rows: rows.filter(([, value]) => value).map(([term, value]) => [term, short(value)]), ...more });

/** Signatures and ids of devices fill lines, and say nothing. */
const short = (text) => text?.replace(/\.[0-9a-f]{32}/g, ".…").replace(/^\S+\.lost-\S+/, "The phone");

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;

const answerText = ({ status, code, failed }) => (failed ? failed : [status, code].filter(Boolean).join(" "));

/** What an attacker writes: the list with one more item. Under a passphrase nobody can seal it. */
function lootFrame(room, name) {
  const { item } = changes.add(LOOT, { id: "attacker", name });
  const { version, state } = room.snapshot;
  const known = room.model.list.layers.passphrase ? { title: "", items: [] } : state;
  const applied = room.codec.latest?.applied ?? [];
  return JSON.stringify({ version: version + 1, applied, state: { ...known, items: [item, ...known.items] } });
}

const eventOf = (pass, data) => ({ name: "client-list", channel: pass.channel, data });

function request(config, pass, event) {
  return {
    url: `${config.url}/app/${pass.app.key}/events`,
    init: { method: "POST", headers: { authorization: `Bearer ${pass.token}`, "content-type": "application/json" }, body: JSON.stringify(event) },
  };
}

async function send({ url, init }) {
  try {
    const answer = await fetch(url, init);
    return { status: answer.status, ...(await answer.json().catch(() => ({}))) };
  } catch (error) {
    return { failed: error.message };
  }
}

export const ATTACKS = {
  /** A second pass, of a lost phone. Its owner ends it; then the finder writes. */
  async passes({ room, config }) {
    const path = `/lists/${room.model.list.id}/attacks/leak`;
    const pass = await ask("POST", path, {});
    const { ended } = await ask("POST", `${path}/end`, {});
    const answer = await send(request(config, pass, eventOf(pass, lootFrame(room, "The finder"))));
    const held = answer.status !== 200;
    const end = ended ? `You ended it. Without that, it would have ended by itself in ${pass.lifetime} s.` : "Nobody keeps a list of passes, so nobody could end it. It is good for a day.";
    return result(held, `Somebody found your phone, with a pass on it. ${end}`, [
      ["It sent", "POST /app/KEY/events"], ["Answer", answerText(answer)], ["Because", answer.error && sentence(answer.error)],
      [held ? "To allow it" : "To stop it", held ? "Ask for another pass: the backend gives none to a lost phone." : "Give passes that live a minute, and end them when a device is lost."],
    ], { loot: LOOT });
  },

  /** A page on another port, with a good pass. */
  async origins({ room, config }) {
    const { connection } = room;
    const stranger = config.strangers[0];
    if (!stranger) return result(true, "Open this page on localhost to have a stranger beside it.", []);
    const event = eventOf(connection.pass, lootFrame(room, "A stranger"));
    const sent = await atStranger(stranger, request(config, connection.pass, event));
    const blocked = sent.failed !== undefined;
    // The browser hid the answer: the same request once more, to show it.
    const answer = blocked
      ? await ask("POST", `/lists/${room.model.list.id}/attacks/origin`, { origin: stranger, token: connection.pass.token, event })
      : sent;
    const held = answer.status !== 200;
    return result(held, `A page at ${new URL(stranger).host} tried to add an item, with a good pass.`, [
      ["It sent", "POST /app/KEY/events"], ["Origin", stranger], ["Answer", answerText(answer)], ["Because", answer.error && sentence(answer.error)],
      ["Its page saw", blocked ? `“${sent.failed}”. The browser shows it no answer.` : ""],
      held ? ["To allow it", sentence(answer.fix ?? "list the page’s origin in the app’s origins")] : ["To stop it", "List your own pages in the app’s origins. Browsers obey; other programs need a pass all the same."],
    ], { loot: LOOT });
  },

  /** The neighbour's list has the next number. */
  async names({ room }) {
    const { guess } = await ask("POST", `/lists/${room.model.list.id}/attacks/neighbour`, {});
    const answer = await room.connection.peek(guess);
    const held = answer.status !== 200;
    const text = held ? "You tried your own pass on Rosa’s list, by its number." : `You read Rosa’s list with your own pass: “${answer.list.items[0].text}”.`;
    return result(held, text, [
      ["It sent", `GET …/channels/${guess}/last`], ["Answer", answerText(answer)], ["Because", answer.error && sentence(answer.error)],
      held ? ["To allow it", "A name with its signature. Rosa’s backend gives it to Rosa’s people only."] : ["To stop it", "Sign the names: then a number alone opens nothing."],
    ], { headline: held ? "It held. Nothing was read." : "It got in." });
  },

  /** A word is put on the list, and looked for on the disk. No word of the list itself leaves the page. */
  async disk({ room }) {
    const marker = Array.from(crypto.getRandomValues(new Uint8Array(30)), (byte) => String.fromCharCode(97 + (byte % 26))).join("");
    const change = changes.add(`marker ${marker}`, { id: room.model.me.id, name: room.model.me.name });
    room.change(change);
    try {
      await until(() => room.model.waiting === 0);
      // The backend's own copy, where it keeps one, comes a moment after the list.
      await room.copy();
      const { files, bytes, hits } = await ask("POST", `/lists/${room.model.list.id}/attacks/disk`, { marker });
      const held = hits.length === 0;
      return result(held, held ? "Every file of the server was copied and searched for a new item." : "A new item lies on the disk for all to read.", [
        ["It took", `${files} files, ${Math.ceil(bytes / 1024).toLocaleString("en")} KB`], ["It looked for", marker],
        ["It found", held ? "nothing" : hits.map(({ file, form, at }) => `${file}, byte ${at.toLocaleString("en")}, ${form}`).join("; ")],
        ["There it says", hits[0]?.around],
        held ? ["Mind", "The keys lie beside the files here, so that one command starts it. Keep them elsewhere: whoever has both can open the journal."]
          : ["To stop it", "Keep the list in a sealed channel, and no copy in a database."],
      ], { headline: held ? "It held. Nothing can be read." : "It can be read." });
    } finally {
      room.change(changes.remove(change.item.id));
    }
  },

  /** Whoever runs the server opens its own seal, and reads; then tries a common passphrase. */
  async passphrase({ room }) {
    const { model } = room;
    const { status, text, length } = await ask("POST", `/lists/${model.list.id}/attacks/operator`, {});
    const held = status !== 200 || !text.startsWith("{");
    const guess = "correct horse";
    const guessed = held && status === 200 ? await unlock(model.list.id, guess, room.frame).then(() => "opened", () => "does not open") : "";
    return result(held, held ? "The operator took off the server’s own seal, and found yours under it." : "The operator reads every word, with the server’s own key.", [
      ["It read", `${length.toLocaleString("en")} bytes`], ["There it says", text], [`It tried “${guess}”`, guessed],
      held ? ["Mind", "A short passphrase can be guessed, 600,000 rounds a try. Seven words of chance cannot."] : ["To stop it", "Set a passphrase. Then ciphertext is all the server gets."],
    ], { headline: held ? "It held. Nothing can be read." : "It can be read." });
  },
};

async function until(look) {
  const end = Date.now() + WAIT_MS;
  while (!look()) {
    if (Date.now() > end) throw new Error("The list is not on the server yet. Try again when the line is live.");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
