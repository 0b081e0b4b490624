// The page: logs in, then shows the model. Views draw; they decide nothing.

import { openKeyStore } from "../../lib/keys.js";
import { followKeyboard, pageBar, tapSockets, whileLoading } from "../../lib/ui.js";
import { Model } from "./model.js";
import { openSession } from "./session.js";
import { enterView } from "./views/enter.js";
import { pendingView } from "./views/pending.js";
import { mainView } from "./views/main.js";
import { readFragment, verifyView } from "./views/verify.js";

const CLOCK_LIMIT_MS = 120_000;
const RETRY_MS = 3000;
const DRAW_EVERY_MS = 250;

const frames = new Set();
const changes = new Set();
let drawn = -DRAW_EVERY_MS;
tapSockets((frame) => frames.forEach((take) => take(frame)));

const bar = pageBar({ app: "Messenger" });
const place = Object.assign(document.createElement("div"), { className: "place" });
document.body.append(bar.node, bar.line, place);
followKeyboard();

/** A link to compare keys: its fragment leaves the address at once. */
let toVerify = location.pathname === "/verify" ? readFragment() : null;

const app = { model: null, view: null, storageState: "kept", clockOff: 0, sentence: "" };
const config = await (await fetch("/config.json")).json();
const shared = await openKeyStore("messenger", { onState: storageChanged });
const session = openSession({
  store: shared,
  onEnd: (sentence) => leave(sentence),
  onToken: () => app.model?.tokenChanged(),
  onClock: (off) => {
    app.clockOff = Math.abs(off) > CLOCK_LIMIT_MS ? off : 0;
  },
});

function storageChanged(state) {
  app.storageState = state;
  app.view?.update?.("all");
}

function show(view) {
  app.view?.close?.();
  app.view = view;
  place.replaceChildren(view.node);
}

function leave(sentence) {
  app.sentence = sentence;
  if (!app.model && app.view) return;
  app.model?.stop();
  app.model = null;
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  history.replaceState(null, "", "/");
  enter();
}

function enter() {
  document.title = "Messenger";
  document.body.dataset.view = "enter";
  bar.set("empty");
  show(enterView({
    sentence: app.sentence, storageState: app.storageState,
    logIn: async (user, password) => {
      await session.logIn(user, password);
      await open();
    },
    register: async (user, password, name) => {
      await session.register(user, password);
      await open(name);
    },
  }));
}

async function open(name) {
  app.sentence = "";
  bar.set("loading");
  const store = await openKeyStore(`messenger-${session.user}`, { onState: storageChanged });
  if (store.state !== "kept") app.storageState = store.state;
  const model = new Model({
    config, session, store,
    onChange: (what) => update(what),
    onMessage: (...what) => app.view?.arrived?.(...what),
    onCaughtUp: () => app.view?.caughtUp?.(),
    onRemoved: () => model.logOut({ isForgetting: true, sentence: "This device was removed from your list. Its keys are forgotten here." }),
  });
  app.model = model;
  await model.start(name);
}

/** Many rows at once are one drawing. */
function update(what) {
  if (changes.size === 0) setTimeout(draw, Math.max(15, drawn + DRAW_EVERY_MS - performance.now()));
  changes.add(what);
}

function draw() {
  const what = changes.has("all") ? "all" : [...changes][0];
  changes.clear();
  drawn = performance.now();
  const { model } = app;
  if (!model || model.phase === "starting") return;
  if (app.view?.phase !== model.phase) {
    document.body.dataset.view = model.phase === "ready" ? "list" : "enter";
    const make = model.phase === "pending" ? pendingView : toVerify !== null ? verifyView : mainView;
    const home = () => {
      toVerify = null;
      show(mainView({ model, bar, app, frames }));
    };
    show(make({ model, bar, app, frames, toVerify, home }));
  }
  app.view.update(what);
}

/** Without the backend there is nothing to show yet: tried again, like the line later on. */
async function begin() {
  for (;;) {
    try {
      await session.current();
      return await open();
    } catch (error) {
      app.model?.stop();
      app.model = null;
      if (error.status === 401) return app.view ? undefined : enter();
      await retryIn(RETRY_MS);
    }
  }
}

function retryIn(wait) {
  return new Promise((resolve) => {
    bar.set("reconnecting", { retryAt: Date.now() + wait, retry: resolve });
    setTimeout(resolve, wait);
  });
}

await whileLoading(place, begin());
