// The page: who is here, which list, and the parts put together.

import {
  button, el, field, notice, NOTICES, pageBar, sealMark, toast, whileLoading, wirePanel,
} from "../../lib/ui.js";
import { openKeyStore } from "../../lib/keys.js";
import { ATTACKS } from "./attacks.js";
import { ask, BackendError } from "./backend.js";
import { changes } from "./changes.js";
import { askNewPassphrase, lockPanel, sharePeople } from "./dialogs.js";
import { openDoor } from "./door.js";
import { layersView } from "./layers-view.js";
import { listView } from "./list-view.js";
import { openRoom } from "./room.js";
import { switchLayer } from "./switching.js";

const bar = pageBar({ app: "todo", title: "To-do in layers" });
const main = el("main", { class: "stage", id: "main" });
document.body.prepend(el("a", { class: "skip", href: "#main", text: "Skip to the list" }), bar.node, bar.line, main);

let room;
let isSilent = false;
const config = await ask("GET", "/config.json");
const store = await openKeyStore("todo", { onState: () => room?.show?.() });
const device = await thisDevice();

await start();
window.addEventListener("hashchange", () => location.reload());

async function start() {
  if (!window.isSecureContext) return refuse(new BackendError(400, { error: "Browsers encrypt on https and on localhost only. Start the server with --tls." }));
  main.replaceChildren(el("h1", { class: "vh", text: "To-do in layers" }));
  try {
    const { user, lists } = await whileLoading(main, ask("GET", "/me"));
    const join = /^#join=(\d+)\.([\w-]+)$/.exec(location.hash);
    if (join) history.replaceState(null, "", `/#${join[1]}`);
    if (!user || (join === null && !/^#\d+$/.test(location.hash) && lists.length === 0)) return welcome(user, join);
    if (join) await ask("POST", `/lists/${join[1]}/join`, { invite: join[2] });
    await openPage(user, Number(join?.[1] ?? (location.hash.slice(1) || lists[0])));
  } catch (error) {
    refuse(error);
  }
}

function refuse(error) {
  if (error.status === undefined) console.error(error);
  bar.set("refused", { sentence: error.message });
  main.classList.add("one");
  const fresh = button("Start a list of your own", { press: () => {
    history.replaceState(null, "", "/");
    location.reload();
  } });
  main.replaceChildren(NOTICES.refused(error.message, "This page did nothing else.", error.code), el("div", {}, fresh));
}

/* ---- the first visit ---------------------------------------------------------------------- */

function welcome(user, join) {
  bar.set("empty");
  main.classList.add("one");
  const name = field("Your name", { value: user?.name ?? "", maxlength: 30, autocomplete: "given-name", required: true });
  const form = el("form", { class: "card welcome" }, sealMark(),
    el("h1", { text: join ? "You are invited to a list" : "A to-do list in layers" }),
    el("p", { text: "Each layer stops one attack. Switch it off, run the attack, and watch what happens." }),
    user ? "" : name, button(join ? "Join the list" : "Start a list", { kind: "primary", type: "submit" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const me = user ?? (await ask("POST", "/users", { name: name.input.value })).user;
      const { id } = join ? await ask("POST", `/lists/${join[1]}/join`, { invite: join[2] }) : await ask("POST", "/lists", {});
      history.replaceState(null, "", `/#${id}`);
      main.replaceChildren();
      await openPage(me, id);
    } catch (error) {
      refuse(error);
    }
  });
  main.replaceChildren(form);
  name.input.focus();
}

/* ---- the list ----------------------------------------------------------------------------- */

async function openPage(me, id) {
  main.classList.remove("one");
  bar.set("loading");
  history.replaceState(null, "", `/#${id}`);
  const wire = wirePanel();
  wire.node.classList.add("flat");
  const notices = el("div", { class: "notices" });
  const lock = lockPanel({ room: () => room });
  // Signatures carry the time, and the clock here may be wrong.
  const door = openDoor({ config, list: id, clock: config.now - Date.now() });
  const view = listView({
    room: () => room, wire, notices, lockPanel: lock,
    openShare: () => sharePeople({ room: () => room, rename: (title) => room.change(changes.rename(title)) }).catch(say),
  });
  const layers = layersView({
    hasDoor: config.door !== undefined,
    change: (layer, isOn) => change(layer, isOn),
    showDoor: (isOn) => door.show(isOn).catch((error) => {
      say(error);
      return false;
    }),
    async attack(layer) {
      view.showGhost(null);
      const found = layer === "door" ? await door.attack() : await ATTACKS[layer]({ room, config });
      if (layer === "door") layers.setDoor(true);
      if (found.loot && found.held) view.showGhost(found.loot);
      const frame = found.rows.filter(([term]) => ["It sent", "Origin", "Answer"].includes(term));
      if (frame.length > 0) view.showIntruder(frame.map(([term, text]) => `${term.toLowerCase().padEnd(8)} ${text}`).join("\n"), found.held);
      return found;
    },
  });
  view.node.insertBefore(door.node, view.node.lastChild);
  let isSwitching = false;
  let show = () => {};
  const done = (name) => ({ text: "Fine", press: () => {
    room.model.notes.delete(name);
    show();
  } });
  room = await whileLoading(main, openRoom({
    id, config, me, device, store,
    onChange: () => show(),
    onFrame: ({ direction, text, bytes }) => {
      if (!text.includes('"client-list"')) return;
      const isOwn = direction === "out";
      if (isOwn || !wire.lastFrame) queueMicrotask(() => view.showFrame(text, bytes, isOwn));
    },
  }));
  room.show = () => show();
  main.replaceChildren(view.node, layers.node);

  show = () => {
    const { model } = room;
    view.show();
    layers.show(model.list.layers, { isReady: model.isLoaded && model.line === "live", isSwitching });
    lock.show(model.lock);
    showLine(model);
    showNotices(model);
    showWire(model, view, wire);
  };
  show();
  await room.enter();
  if (!room.shown().title && room.model.isLoaded && room.model.list.owner === me.id) room.change(changes.rename(`${me.name}’s list`));
  show();

  async function change(layer, isOn) {
    const passphrase = layer === "passphrase" && isOn ? await askNewPassphrase() : null;
    if (layer === "passphrase" && isOn && !passphrase) return false;
    isSwitching = true;
    show();
    try {
      const newLock = passphrase ? await room.newLock(passphrase) : null;
      await switchLayer(room, config, device, layer, isOn, newLock);
      return true;
    } catch (error) {
      say(error);
      return false;
    } finally {
      isSwitching = false;
      show();
    }
  }

  function showNotices(model) {
    const wanted = [];
    if (model.error && model.line !== "refused" && !model.lock) wanted.push(NOTICES.refused(model.error.message, "What you wrote waits here.", model.error.code));
    if (model.notes.has("gap")) wanted.push(notice("warn", { title: "Older versions are gone here", text: "The list was loaded anew.", action: done("gap") }));
    if (model.notes.has("spoiled")) wanted.push(notice("warn", { title: "A frame came that does not open", text: "It was not applied, and your version was written back. Somebody with a pass may have sent it.", action: done("spoiled") }));
    if (model.notes.has("older")) wanted.push(notice("warn", { title: "The server gave an older version", text: "This browser knows a newer one, and has written it back.", action: done("older") }));
    if (store.state !== "kept") wanted.push(NOTICES.storage(store.state));
    const key = wanted.map((each) => each.textContent).join();
    if (notices.dataset.key === key) return;
    notices.dataset.key = key;
    notices.replaceChildren(...wanted);
  }
}

function showLine(model) {
  const details = { queued: model.waiting, noun: "change", retryAt: room.connection?.retryAt, retry: () => room.retry() };
  if (model.line === "refused") bar.set("refused", { sentence: model.error?.message });
  else if (model.line === "reconnecting") bar.set("reconnecting", details);
  else if (model.line === "offline") bar.set("offline", { queued: model.waiting, noun: "change" });
  else bar.set(model.isLoaded || model.lock ? "live" : "loading");
}

function showWire(model, view, wire) {
  if (["reconnecting", "offline"].includes(model.line)) {
    const count = model.waiting;
    wire.silence("No frame leaves this browser", count === 0 ? "There is no line to the server." : `${count} ${count === 1 ? "change waits" : "changes wait"} here.`, []);
    isSilent = true;
  } else if (isSilent) {
    isSilent = false;
    if (wire.lastFrame) view.showFrame(wire.lastFrame);
  }
  view.explain();
}

function say(error) {
  toast(error.message, { icon: "warn" });
}

/** The same for all tabs of this browser, so that one lost device can be shut out alone. */
async function thisDevice() {
  let id = await store.get("device");
  if (!id) await store.put("device", (id = crypto.randomUUID().replaceAll("-", "").slice(0, 12)));
  return { device: id, label: /Mobi|Android|iPhone/.test(navigator.userAgent) || innerWidth < 600 ? "phone" : "computer" };
}
