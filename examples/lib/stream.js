// Reads channels of a Sealcast server through the browser's EventSource: docs/streams.md.
//
//   const stream = openStream({
//     url: "https://example.com/app/KEY",
//     channels: ["news", "private-encrypted-room-1"],
//     ticket: () => fetch("/my-backend/ticket").then((answer) => answer.text()),
//     secret: (channel, socketId) => ...,   // resolves with the base64 text of the auth endpoint
//     nacl,                                 // tweetnacl, for encrypted channels
//     onEvent: ({ channel, event, data, user_id }) => ...,
//     onGap: ({ channel, reason, position }) => ...,   // load what is missing, then go on
//     onState: (state, detail) => ...,      // "open", "waiting", "refused", "paused", "closed", or a message of the protocol
//     onFrame: ({ direction, text, bytes }) => ...,   // each message as it came
//   });
//   stream.retry();   // now, instead of at stream.retryAt
//   stream.close();
//
// The browser reconnects and resumes by itself. This file does what is left: another ticket when the
// browser gives up (readyState 2, after a 401), and the order of events that a secret has to open.
// Every reconnect resumes behind the newest event received. Events that wait for a secret stay in
// memory, and are handed on in order; if there are too many, the oldest are a gap.
// A ticket or a secret that fails is asked for again, with growing pauses. If it fails with a `status`
// that lasts (FINAL, as of ClientError), the state is "refused" until the next retry() or connection.
// While the stream is down there is no live socket_id, so the auth endpoint gives no secret then:
// a page that polls the history meanwhile opens it with the secret that it has.
//
// A page that is hidden for 30 seconds lets go of its stream: a browser has six connections to one
// origin over HTTP/1.1 for all tabs together. It comes back where it was when the page is shown.

const ENCRYPTED = "private-encrypted-";
const RETRY_MS = [500, 3000, 30_000];
const HIDDEN_MS = 30_000;
/** For a ticket or a secret. */
const ANSWER_MS = 20_000;
const FINAL = [400, 403, 404, 413, 414];
/** Of the events of one channel that wait for a secret. */
const MAX_HELD_LETTERS = 4 * 1024 * 1024;

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

export function openStream({ url, channels, ticket, secret, nacl, onEvent, onGap, onState, onFrame }) {
  const page = globalThis.document;
  let hiding;
  let retryAt;
  let isPaused = false;
  let isConnecting = false;
  let source;
  let socketId;
  let timer;
  let failures = 0;
  let closed = false;
  // The id of the newest event received, handed on or held, for another EventSource.
  let lastId = "";
  // The number of events received on encrypted channels.
  let received = 0;
  // Of each encrypted channel: its secret, the events that wait for the next one, and the number of
  // the last event received before the secret was asked for. `wake` ends the pause before another try.
  const sealed = new Map();

  async function connect() {
    // A retry by hand while the ticket is still on its way.
    if (isConnecting) return;
    isConnecting = true;
    retryAt = undefined;
    let opened;
    try {
      const query = new URLSearchParams(channels.map((channel) => ["channel", channel]));
      if (ticket) query.set("ticket", await inTime(ticket(), "The ticket"));
      if (lastId) query.set("last_event_id", lastId);
      if (closed || isPaused) return;
      opened = source = new EventSource(`${url}/sse?${query}`);
    } catch (error) {
      return isFinal(error) ? refused(error) : later(error);
    } finally {
      isConnecting = false;
    }
    opened.onmessage = ({ data, lastEventId }) => {
      onFrame?.({ direction: "in", text: data, bytes: new Blob([data]).size });
      receive(JSON.parse(data), lastEventId);
    };
    opened.onerror = () => {
      if (closed || isPaused || opened !== source) return;
      socketId = undefined;
      // 0: the browser comes back by itself.
      if (opened.readyState === 2) later();
      else onState?.("waiting");
    };
  }

  function later(error) {
    source?.close();
    if (closed || isPaused) return;
    const wait = waitAfter(failures++);
    retryAt = Date.now() + wait;
    clearTimeout(timer);
    timer = setTimeout(connect, wait);
    onState?.("waiting", error);
  }

  function refused(error) {
    source?.close();
    // A page that gets another pass at this state closes the stream, and opens another one.
    if (!closed && !isPaused) onState?.("waiting", error);
    if (!closed && !isPaused) onState?.("refused", error);
  }

  function retry() {
    if (closed || isPaused) return;
    if (source?.readyState === 1) return askAgain();
    source?.close();
    clearTimeout(timer);
    connect();
  }

  function pause() {
    isPaused = true;
    socketId = undefined;
    clearTimeout(timer);
    source?.close();
    onState?.("paused");
  }

  function changeVisibility() {
    clearTimeout(hiding);
    if (page.hidden) {
      if (!isPaused) hiding = setTimeout(pause, HIDDEN_MS);
    } else if (isPaused) {
      isPaused = false;
      connect();
    }
  }

  function receive(message, id) {
    if (id) lastId = id;
    const { event, channel } = message;
    const isGap = event === "sealcast:gap";
    if (event === "pusher:connection_established") {
      socketId = JSON.parse(message.data).socket_id;
      failures = 0;
      for (const room of sealed.values()) room.askedAt = 0;
      askAgain();
      if (!closed && !isPaused) onState?.("open", socketId);
    } else if (!isGap && (event.startsWith("pusher") || event.startsWith("sealcast:"))) {
      onState?.(event, message);
    } else if (channel?.startsWith(ENCRYPTED)) {
      // Gaps wait as well: the events before them come first.
      const room = sealed.get(channel)
        ?? { held: [], letters: 0, isAsking: false, askedAt: 0, isLost: false, isRefused: false, failures: 0 };
      sealed.set(channel, room);
      room.held.push({ message, number: ++received });
      room.letters += lettersOf(message);
      while (room.letters > MAX_HELD_LETTERS && room.held.length > 1) lose(channel, room, take(room));
      flush(channel, room);
    } else if (isGap) {
      tellGap(message);
    } else {
      onEvent(message);
    }
  }

  function tellGap({ channel, data }) {
    onGap?.({ channel, ...JSON.parse(data) });
  }

  function take(room) {
    const { message } = room.held.shift();
    room.letters -= lettersOf(message);
    return message;
  }

  /** One gap for all in a row. */
  function lose(channel, room, message) {
    const wasLost = room.isLost;
    room.isLost = message.event !== "sealcast:gap";
    if (!room.isLost) tellGap(message);
    else if (!wasLost) onGap?.({ channel, reason: "sealed" });
  }

  /** Opens in order, and asks for the next secret at an event that does not open. */
  function flush(channel, room) {
    while (room.held.length > 0 && !room.isAsking && !closed) {
      const { message, number } = room.held[0];
      const isGap = message.event === "sealcast:gap";
      const opened = isGap ? null : open(room.secret, message.data);
      // An event from after the request may need a still newer secret.
      const needsSecret = !isGap && opened === null && number > room.askedAt;
      // Without a live connection nobody gets one.
      if (needsSecret && (room.isRefused || !socketId)) return;
      if (needsSecret) return ask(channel, room);
      take(room);
      // Sealed with a secret that this client never had.
      if (opened === null) lose(channel, room, message);
      else {
        room.isLost = false;
        onEvent({ ...message, data: opened });
      }
    }
  }

  async function ask(channel, room) {
    room.isAsking = true;
    const [number, asker] = [received, socketId];
    try {
      room.secret = bytes(await inTime(secret(channel, asker), "The secret"));
      // The secret of a former connection does not have to open what this one receives.
      if (asker === socketId) room.askedAt = number;
      const hadFailed = room.failures > 0;
      room.failures = 0;
      // The stream itself was open all the time.
      if (hadFailed && socketId && !closed && [...sealed.values()].every((each) => each.failures === 0)) onState?.("open", socketId);
    } catch (error) {
      await failed(room, error, asker);
    }
    room.isAsking = false;
    flush(channel, room);
  }

  /** Resolves when it is time to ask again, at once on another connection. */
  async function failed(room, error, asker) {
    // The former connection has no secret any more; the present one asks for its own.
    if (asker !== socketId || closed) return;
    room.failures++;
    room.isRefused = isFinal(error);
    onState?.(room.isRefused ? "refused" : "waiting", error);
    if (room.isRefused || closed) return;
    const wait = waitAfter(room.failures - 1);
    room.retryAt = Date.now() + wait;
    await new Promise((resolve) => {
      const wakeUp = setTimeout(resolve, wait);
      room.wake = () => (clearTimeout(wakeUp), resolve());
    });
    room.wake = room.retryAt = undefined;
  }

  function askAgain() {
    for (const [name, room] of sealed) {
      room.isRefused = false;
      room.wake?.();
      flush(name, room);
    }
  }

  function open(key, data) {
    if (!key) return null;
    try {
      const { nonce, ciphertext } = JSON.parse(data);
      const plain = nacl.secretbox.open(bytes(ciphertext), bytes(nonce), key);
      return plain && new TextDecoder().decode(plain);
    } catch {
      // No envelope at all: the events behind it must not wait for it.
      return null;
    }
  }

  page?.addEventListener("visibilitychange", changeVisibility);
  // Opened in the background, and perhaps never looked at.
  if (page?.hidden) changeVisibility();
  globalThis.addEventListener?.("online", retry);
  connect();
  return {
    /** Of the stream; while it is open, of the next secret. */
    get retryAt() {
      const asking = [...sealed.values()].map((room) => room.retryAt ?? Infinity);
      const next = Math.min(retryAt ?? Infinity, ...asking);
      return next === Infinity ? undefined : next;
    },
    retry,
    close() {
      if (closed) return;
      closed = true;
      for (const room of sealed.values()) room.wake?.();
      clearTimeout(timer);
      clearTimeout(hiding);
      page?.removeEventListener("visibilitychange", changeVisibility);
      globalThis.removeEventListener?.("online", retry);
      source?.close();
      onState?.("closed");
    },
  };
}

/** Milliseconds, longer after each failure, and never the same for two pages. */
function waitAfter(failures) {
  const [least, most, limit] = RETRY_MS;
  return Math.min(limit, (least + Math.random() * (most - least)) * 2 ** Math.min(failures, 5));
}

/** The `socket_id` of a connection that has just ended: the next one is on its way. */
const isFinal = ({ status, code } = {}) => FINAL.includes(status) && code !== "unknown_socket";

const lettersOf = ({ data }) => String(data).length + 100;

function inTime(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come in ${ANSWER_MS / 1000} s.`)), ANSWER_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
