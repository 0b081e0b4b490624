// The console: session, address, the screen of the address, and one drawing for each change.

import { Api } from "./api.js";
import { Idle } from "./idle.js";
import { Keyboard } from "./keyboard.js";
import { Page } from "./page.js";
import { Dialogs } from "./parts/dialog.js";
import { html, nothing, render } from "./parts/html.js";
import { openJump } from "./parts/jump.js";
import { helpDialog, shell } from "./parts/shell.js";
import { SignIn } from "./parts/signin.js";
import { errorState } from "./parts/states.js";
import { Resource } from "./resource.js";
import { format, parse, screenNamed } from "./router.js";
import { openSession, regainSession } from "./session.js";
import { SessionKey } from "./session-key.js";
import { Socket } from "./socket.js";
import { Store } from "./store.js";
import { Theme } from "./theme.js";

const STATS_SECONDS = 10;
const TICK_MS = 1_000;
const KEPT = "The link was not taken. This session goes on.";
const NOT_LOADED = "screen_not_loaded";

class Console {
  screen = undefined;
  #drawing = false;
  #ending = false;
  #stats;
  #error;

  constructor(root) {
    this.root = root;
    this.store = new Store(this.redraw);
    this.theme = new Theme(this.redraw);
    this.key = new SessionKey();
    this.api = new Api(this.key, () => this.#refused());
    this.socket = new Socket(this.key, { changed: this.redraw, refused: () => this.#checkSession() });
    this.idle = new Idle({ paused: () => this.#pause(), resumed: () => this.#resume() });
    this.dialogs = new Dialogs(this.redraw);
    this.signIn = new SignIn({ api: this.api, redraw: this.redraw, begun: (session) => this.#begin(session) });
    this.page = this.#pageFor(parse(location.hash));
    new Keyboard({
      session: () => this.store.session,
      keys: () => this.screen?.keys,
      go: (name) => this.page.go(name),
      jump: this.jump,
      help: () => this.dialogs.show(helpDialog),
      switchTheme: () => this.theme.switch(),
    });
    addEventListener("hashchange", () => this.#moved());
    setInterval(this.redraw, TICK_MS);
  }

  async start() {
    const code = this.signIn.takeCode();
    try {
      const session = await openSession(this, code, (error) => { this.signIn.error = error; });
      if (session) this.#begin(session);
      else if (!this.store.isSignedIn) this.#signedOut();
    } catch (error) {
      if (error.code === "console_signed_out") return;
      this.#error = error;
      this.redraw();
    }
  }

  /** Draws once before the next picture, however often it is called. */
  redraw = () => {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  };

  stats = () => this.#stats;

  /** Whether nothing is loaded by itself. */
  isPaused = () => this.idle.isIdle || !this.store.isSignedIn;

  jump = () => {
    if (this.store.isSignedIn) openJump(this.page);
  };

  signOut = async () => {
    await this.api.signOut().catch(() => {});
    this.#signedOut();
  };

  content() {
    if (this.#error) return errorState(this.#error, () => this.#retry());
    try {
      return this.screen?.body() ?? nothing;
    } catch (error) {
      console.error(error);
      return errorState({ message: "This screen has a fault.", code: "screen_failed", fix: "Reload this page, and report the fault." });
    }
  }

  #retry() {
    if (this.#isNotLoaded()) return this.#reload();
    this.#error = undefined;
    if (this.store.isSignedIn) this.#open();
    else this.start();
  }

  #isNotLoaded() {
    return this.#error?.code === NOT_LOADED;
  }

  /** The browser keeps the failure of a file until the page is loaded again. */
  async #reload() {
    const isThere = await this.api.session().then(() => true, ({ code }) => code !== "unreachable");
    if (isThere) location.reload();
  }

  #draw() {
    const title = this.screen?.title ?? screenNamed(this.page.route.name).title;
    document.title = [title, this.store.app, "Sealcast"].filter(Boolean).join(" · ");
    render(html`${shell(this)}${this.dialogs.view()}${this.store.isSignedOut ? this.signIn.view() : nothing}`, this.root);
  }

  #begin(session) {
    if (this.#isNotLoaded()) return location.reload();
    const isFirst = !this.screen;
    this.idle.touch();
    this.store.begin(session);
    this.#noteRefusal();
    this.store.choose(this.page.route.query.app);
    this.#stats?.stop();
    this.#stats = new Resource((signal) => this.api.get("/stats", {}, signal), { changed: this.redraw, every: STATS_SECONDS, isPaused: this.isPaused });
    this.socket.connect();
    if (isFirst) this.#open();
    else this.page.refresh();
  }

  async #refused() {
    if (this.store.isSignedOut || this.#ending) return;
    this.#ending = true;
    const session = await regainSession(this);
    this.#ending = false;
    if (session && !this.store.isSignedOut) this.#begin(session);
    else this.#signedOut();
  }

  #signedOut() {
    if (this.store.isSignedOut) return;
    this.key.forget();
    this.#stats?.stop();
    this.socket.close();
    this.dialogs.close();
    this.store.end();
  }

  #pause() {
    this.socket.rest();
    this.redraw();
  }

  #resume() {
    if (!this.store.isSignedIn) return;
    this.socket.connect();
    this.#stats.resume();
    this.page.resume();
  }

  /** A refused socket does not say why; the session does. */
  async #checkSession() {
    await this.api.session().catch(() => {});
  }

  #pageFor(route) {
    const { store, api, socket, theme, redraw, stats, isPaused, dialogs } = this;
    return new Page({ store, api, socket, theme, redraw, stats, isPaused, show: (content) => dialogs.show(content), close: dialogs.close }, route);
  }

  /** A link that was opened in this tab. */
  async #useCode(code) {
    await this.signIn.with({ code });
    this.#noteRefusal();
  }

  #noteRefusal() {
    if (!this.store.isSignedIn || !this.signIn.error) return;
    this.signIn.error = undefined;
    this.store.say(KEPT);
  }

  #moved() {
    if (!location.hash.startsWith("#/")) {
      const code = this.signIn.takeCode();
      if (code !== undefined) this.#useCode(code);
      return;
    }
    const route = parse(location.hash);
    const before = this.page.route;
    const app = this.store.app;
    this.store.choose(route.query.app);
    if (route.name === before.name && app === this.store.app && this.screen) {
      this.page.route = route;
      this.screen.route?.(route);
      this.redraw();
      return;
    }
    this.#leave();
    this.page = this.#pageFor(route);
    if (this.store.isSignedIn) this.#open();
    this.redraw();
  }

  #leave() {
    this.screen?.stop?.();
    this.screen = undefined;
    this.page.stop();
  }

  async #open() {
    const { page } = this;
    this.#error = undefined;
    try {
      const { create } = await screenNamed(page.route.name).load();
      if (page !== this.page) return;
      this.screen = create(page);
    } catch (error) {
      if (page !== this.page) return;
      console.error(error);
      this.#error = { code: NOT_LOADED, message: "This screen could not be loaded.", fix: "Check that the server runs, then try again." };
    }
    this.redraw();
    if (document.activeElement === document.body || document.activeElement?.closest(".nav, .tabs")) queueMicrotask(() => document.querySelector("h1")?.focus());
  }
}

if (!location.hash) history.replaceState(null, "", format("overview"));
new Console(document.getElementById("app")).start();
