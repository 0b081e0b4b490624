// What a screen gets: its way to the server, to other screens, and to the next picture.

import { Api } from "./api.js";
import { Resource } from "./resource.js";
import { format } from "./router.js";

export class Page {
  /** Whether the screen shows something of the socket. */
  isWatching = false;
  #owned = new Set();

  /** `shared`: store, api, socket, theme, stats, redraw, isPaused, and show(dialog). */
  constructor(shared, route) {
    Object.assign(this, shared);
    this.route = route;
  }

  /** The chosen app's id. */
  get app() {
    return this.store.app;
  }

  /** A route of the chosen app: `path("/keys")`. */
  path(rest) {
    return Api.app(this.app, rest);
  }

  /** The address of a screen, for href. */
  link(name, path = [], query = {}) {
    const app = this.app === this.store.apps[0] ? undefined : this.app;
    return format(name, path, { app, ...query });
  }

  go(name, path, query) {
    location.hash = this.link(name, path, query);
  }

  /** Changes the query of this screen without a step in the history. */
  replaceQuery(query) {
    const { name, path } = this.route;
    history.replaceState(null, "", this.link(name, path, query));
    this.route = { name, path, query };
  }

  /** A value that is loaded now, again `every` seconds, and until the screen is left. */
  resource(load, { every = 0 } = {}) {
    return this.own(new Resource(load, { changed: this.redraw, every, isPaused: this.isPaused }));
  }

  /** A watch of the socket that ends with the screen. */
  watch(kind, parameters, handlers, options) {
    this.isWatching = true;
    return this.own(this.socket.watch(kind, parameters, handlers, options));
  }

  /** Calls `run` each `ms` milliseconds until the screen is left. */
  repeat(run, ms) {
    const timer = setInterval(run, ms);
    return this.own({ stop: () => clearInterval(timer) });
  }

  /** Stops `part` with the screen. */
  own(part) {
    this.#owned.add(part);
    return part;
  }

  /** Stops it now. */
  release(part) {
    if (this.#owned.delete(part)) part.stop();
  }

  /** Loads all values again: after a sign-in. */
  refresh() {
    for (const part of this.#owned) part.refresh?.();
  }

  /** Goes on after a pause. */
  resume() {
    for (const part of this.#owned) part.resume?.();
  }

  stop() {
    for (const part of this.#owned) part.stop();
    this.#owned.clear();
  }
}
