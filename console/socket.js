// The one socket: series, feed and reveal. Watches survive a lost connection; a hidden page stops
// them after a while, and starts them again when it is seen.

const URL_OF_SOCKET = new URL("socket", import.meta.url);
URL_OF_SOCKET.protocol = location.protocol === "https:" ? "wss:" : "ws:";
const MIN_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;
const HIDDEN_MS = 30_000;
/** Series and counts come each second: a silent connection is a lost one. */
const SILENT_MS = 12_000;

export class Socket {
  /** "connecting", "open", "away" (will try again), "asleep" (hidden page), "idle" or "closed". */
  state = "closed";
  /** When the state began, and when the server was last heard, in milliseconds since 1970. */
  since = Date.now();
  heard = 0;
  #watches = new Map();
  #requests = new Map();
  #lastId = 0;
  #failures = 0;
  #events;
  #socket;
  #timer;
  #hideTimer;

  #key;

  /** `key`: a SessionKey. `events`: `changed()`, and `refused()` when a connection could not be opened. */
  constructor(key, events) {
    this.#key = key;
    this.#events = events;
    document.addEventListener("visibilitychange", () => this.#visibility());
    addEventListener("online", () => this.state === "away" && this.connect());
    setInterval(() => this.#checkSilence(), 2_000);
  }

  connect() {
    clearTimeout(this.#timer);
    this.#drop();
    this.#set("connecting");
    // A browser sets no headers here; the subprotocols are one.
    const socket = new WebSocket(URL_OF_SOCKET, ["sealcast-console", `key.${this.#key.value}`]);
    let opened = false;
    this.#socket = socket;
    socket.onopen = () => {
      opened = true;
      this.#failures = 0;
      this.heard = Date.now();
      this.#set("open");
      for (const watch of this.#watches.values()) this.#begin(watch);
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#lost();
      if (!opened) this.#events.refused();
    };
  }

  close() {
    clearTimeout(this.#timer);
    this.#drop();
    this.#lose();
    this.#set("closed");
  }

  /** Ends all watches until `connect()`. */
  rest() {
    this.#pause("idle");
  }

  /**
   * Begins a watch. `handlers`: `ok(value)` at each beginning, `message(value)`, `error(error)`,
   * `gap(seconds)` before a beginning that follows a loss, and `lost()`. With `once` it ends when
   * the connection does. Returns `{ stop() }`.
   */
  watch(kind, parameters, handlers, { once = false } = {}) {
    const watch = { kind, parameters, handlers, once, key: ++this.#lastId };
    this.#watches.set(watch.key, watch);
    if (this.state === "open") this.#begin(watch);
    return { stop: () => this.#stop(watch) };
  }

  #begin(watch) {
    if (watch.lostAt !== undefined) watch.handlers.gap?.((Date.now() - watch.lostAt) / 1000);
    watch.lostAt = undefined;
    watch.id = ++this.#lastId;
    this.#requests.set(watch.id, watch);
    this.#send({ id: watch.id, watch: watch.kind, ...watch.parameters });
  }

  #stop(watch) {
    this.#watches.delete(watch.key);
    if (watch.id !== undefined) this.#end(watch);
  }

  #end(watch) {
    this.#requests.delete(watch.id);
    if (this.state === "open") this.#send({ id: ++this.#lastId, stop: watch.id });
    watch.id = undefined;
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #receive(text) {
    this.heard = Date.now();
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const watch = this.#requests.get(message.watch ?? message.id);
    if (!watch) return;
    if (message.watch !== undefined) watch.handlers.message?.(message);
    else if (message.error) watch.handlers.error?.(message.error);
    else watch.handlers.ok?.(message.ok);
  }

  #lost() {
    this.#lose();
    const delay = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#set("away");
    this.#timer = setTimeout(() => this.connect(), Math.max(MIN_DELAY_MS, delay * (0.5 + Math.random() / 2)));
  }

  #lose() {
    for (const watch of this.#watches.values()) {
      if (watch.id === undefined) continue;
      watch.id = undefined;
      watch.lostAt ??= Date.now();
      if (watch.once) this.#watches.delete(watch.key);
      watch.handlers.lost?.();
    }
    this.#requests.clear();
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #visibility() {
    clearTimeout(this.#hideTimer);
    if (document.hidden) {
      this.#hideTimer = setTimeout(() => this.state !== "idle" && this.#pause("asleep"), HIDDEN_MS);
    } else if (this.state === "asleep") {
      this.connect();
    } else if (this.state === "away") {
      this.#failures = 0;
      this.connect();
    }
  }

  #pause(state) {
    if (this.state === "closed") return;
    clearTimeout(this.#timer);
    for (const watch of this.#watches.values()) if (watch.id !== undefined && this.state === "open") this.#send({ id: ++this.#lastId, stop: watch.id });
    this.#lose();
    this.#drop();
    this.#set(state);
  }

  #checkSilence() {
    const busy = this.#requests.size > 0;
    if (this.state !== "open" || !busy || Date.now() - this.heard < SILENT_MS) return;
    this.#drop();
    this.#lost();
  }

  #set(state) {
    if (state !== this.state) this.since = Date.now();
    this.state = state;
    this.#events.changed();
  }
}
