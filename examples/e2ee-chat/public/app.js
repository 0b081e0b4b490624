// The page from its start: an account, a key, the one tab that holds the chat, then the chat.

import { openKeyStore } from "../../lib/keys.js";
import { el, NOTICES, pageBar, toast, whileLoading } from "../../lib/ui.js";
import { ask, whoAmI } from "./backend.js";
import { chatPage } from "./chat-page.js";
import { anotherBrowserView, anotherTabView, failedView, keyMissingView, plainView, signInView } from "./entry-views.js";
import { identityOf, makeIdentity, useAgain } from "./identity.js";
import { Pins, PinsUnread } from "./pins.js";
import { holdChat, whenFree } from "./tab.js";
import { verifyView } from "./verify-view.js";

const bar = pageBar({ app: "End-to-end chat" });
const skip = el("a", { class: "skip", href: "#main", text: "Skip to the chat" });
const notices = el("div", { class: "notices" });
const stage = el("div", { class: "page" });
document.body.prepend(skip, bar.node, bar.line, notices, stage);

/** Plain pages have one column, and the bar on phones too. */
function put(node, { plain = true } = {}) {
  document.body.classList.toggle("plain", plain);
  stage.replaceChildren(node);
}

try {
  await start();
} catch (error) {
  console.error(error);
  fail(error);
}

async function start() {
  if (!window.isSecureContext || !crypto.subtle || !navigator.locks) {
    bar.set("refused", { sentence: "This page needs https, or localhost." });
    return put(plainView("No encryption here", "Browsers give their cryptography to https and localhost only. Start the example with --tls."));
  }
  const store = await openKeyStore("e2ee-chat", { onState: (state) => showStorage(state) });
  if (location.pathname === "/verify") return showVerify(store);
  const loading = el("div", { class: "stage one" });
  put(loading);
  const [config, account] = await whileLoading(loading, Promise.all([ask("GET", "/config.json"), whoAmI()]));
  const page = { config, store };
  if (account) await enter(page, account);
  else showSignIn(page);
}

function showVerify(store) {
  const { hash } = location;
  history.replaceState(null, "", "/verify");
  bar.set("empty");
  put(verifyView(store, hash));
  // Another code in the same tab loads no page: the verdict on the first one must not stay.
  window.addEventListener("hashchange", () => showVerify(store), { once: true });
}

function showStorage(state) {
  notices.replaceChildren(...(state === "kept" ? [] : [NOTICES.storage(state)]));
}

function showSignIn(page, sentence) {
  bar.set("empty");
  put(signInView({ sentence, done: (account) => enter(page, account).catch(fail) }));
}

/* ---- a key -------------------------------------------------------------------------------- */

async function enter(page, account) {
  // The lock, the keys and the talks of this page are those of somebody else.
  if (page.holder && page.holder !== account.id) return location.reload();
  const identity = await identityOf(page.store, account);
  if (!identity && account.key === null) return hold(page, await makeIdentity(page.store, account, null));
  if (!identity) return showKeyMissing(page, account);
  if (account.key === null) await useAgain(identity, null);
  else if (account.key !== identity.publicText) return showAnotherBrowser(page, identity);
  return hold(page, identity);
}

function showKeyMissing(page, account) {
  bar.set("empty");
  put(keyMissingView({
    account,
    isUnread: page.store.state === "forbidden",
    make: orFail(async () => hold(page, await makeIdentity(page.store, account, account.key))),
    signOut: orFail(() => signOut(page)),
  }));
}

async function showAnotherBrowser(page, identity) {
  bar.set("refused", { sentence: "Another browser holds this account now." });
  put(anotherBrowserView({
    identity,
    useHere: orFail(async () => {
      const account = await whoAmI();
      if (!account) return showSignIn(page);
      await useAgain(identity, account.key);
      return hold(page, identity);
    }),
    signOut: orFail(() => signOut(page)),
  }));
}

async function signOut(page) {
  await ask("POST", "/sessions/end").catch((error) => {
    // It has ended already.
    if (error.status !== 401) throw error;
  });
  showSignIn(page, "You are signed out. Your key stays in this browser.");
}

/* ---- one tab ------------------------------------------------------------------------------ */

async function hold(page, identity, { steal = false } = {}) {
  page.isHolding ||= await holdChat(identity.id, { steal, onLost: () => lose(page, identity) });
  if (!page.isHolding) return showAnotherTab(page, identity);
  page.holder = identity.id;
  await showChat(page, identity);
}

function showAnotherTab(page, identity, unsent = 0) {
  bar.set("empty");
  const goOn = (options) => hold(page, identity, options).catch(fail);
  const stopWaiting = whenFree(identity.id, () => goOn());
  put(anotherTabView({
    unsent,
    continueHere: () => {
      stopWaiting();
      return goOn({ steal: true });
    },
  }));
}

async function showChat(page, identity) {
  const onUnread = (error) => {
    closeChat(page);
    // "This browser keeps nothing" would say the opposite.
    notices.replaceChildren();
    fail(error);
  };
  try {
    page.chat ??= await makeChat(page, identity, onUnread);
    // Another tab may have compared keys, and seen others.
    await page.chat.reload();
  } catch (error) {
    if (error instanceof PinsUnread) return onUnread(error);
    throw error;
  }
  if (!page.isHolding) return;
  put(page.chat.node, { plain: false });
  page.chat.start({
    onRefused: ({ status, message }) => {
      closeChat(page);
      if (status === 401) showSignIn(page, message + waitingFor(identity, page.chat.unsent));
      else showAnotherBrowser(page, identity);
    },
  });
}

function waitingFor({ name }, unsent) {
  if (unsent === 0) return "";
  return unsent === 1 ? ` One message of ${name} waits in this tab.` : ` ${unsent} messages of ${name} wait in this tab.`;
}

async function makeChat(page, identity, onUnread) {
  const pins = await Pins.open(page.store, identity.id, { mayBeginAnew: identity.isNew });
  return chatPage({
    bar, config: page.config, own: identity, pins, onUnread,
    signOut: async () => {
      closeChat(page);
      try {
        await signOut(page);
      } catch ({ message }) {
        toast(message, { icon: "warn" });
        return showChat(page, identity);
      }
      // The lock of this tab ends with it.
      location.reload();
    },
  });
}

/** Another tab took the chat over. What waits here goes on waiting. */
function lose(page, identity) {
  page.isHolding = false;
  closeChat(page);
  showAnotherTab(page, identity, page.chat?.unsent);
}

function closeChat(page) {
  page.chat?.stop();
}

function orFail(run) {
  return () => run().catch(fail);
}

function fail(error) {
  bar.set("refused", { sentence: error.message });
  put(failedView(error.message));
}
