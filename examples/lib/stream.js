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
//     onState: (state, detail) => ...,      // "open", "waiting", "paused", "closed", or a message of the protocol
//     onFrame: ({ direction, text, bytes }) => ...,   // each message as it came
//   });
//   stream.retry();   // now, instead of at stream.retryAt
//   stream.close();
//
// The browser reconnects and resumes by itself. This file does what is left: another ticket when the
// browser gives up (readyState 2, after a 401), and the order of events that a secret has to open.
// Every reconnect resumes behind the newest event received. Events that wait for a secret stay in
// memory, and are handed on in order.
// While the stream is down there is no live socket_id, so the auth endpoint gives no secret then:
// a page that polls the history meanwhile opens it with the secret that it has.
//
// A page that is hidden for 30 seconds lets go of its stream: a browser has six connections to one
// origin over HTTP/1.1 for all tabs together. It comes back where it was when the page is shown.

const ENCRYPTED = "private-encrypted-";
const RETRY_MS = [500, 3000, 30_000];
const HIDDEN_MS = 30_000;

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
  // the last event received before the secret was asked for.
  const sealed = new Map();

  async function connect() {
    // A retry by hand while the ticket is still on its way.
    if (isConnecting) return;
    isConnecting = true;
    retryAt = undefined;
    try {
      const query = new URLSearchParams(channels.map((channel) => ["channel", channel]));
      if (ticket) query.set("ticket", await ticket());
      if (lastId) query.set("last_event_id", lastId);
      if (closed || isPaused) return;
      source = new EventSource(`${url}/sse?${query}`);
    } catch (error) {
      return later(error);
    } finally {
      isConnecting = false;
    }
    source.onmessage = ({ data, lastEventId }) => {
      onFrame?.({ direction: "in", text: data, bytes: new Blob([data]).size });
      receive(JSON.parse(data), lastEventId);
    };
    source.onerror = () => {
      // 0: the browser comes back by itself.
      if (source.readyState === 2) later();
      else onState?.("waiting");
    };
  }

  function later(error) {
    source?.close();
    if (closed || isPaused) return;
    const [least, most, limit] = RETRY_MS;
    const wait = Math.min(limit, (least + Math.random() * (most - least)) * 2 ** Math.min(failures++, 5));
    retryAt = Date.now() + wait;
    onState?.("waiting", error);
    clearTimeout(timer);
    timer = setTimeout(connect, wait);
  }

  function retry() {
    if (closed || isPaused || source?.readyState === 1) return;
    source?.close();
    clearTimeout(timer);
    connect();
  }

  function pause() {
    isPaused = true;
    clearTimeout(timer);
    source?.close();
    onState?.("paused");
  }

  function changeVisibility() {
    clearTimeout(hiding);
    if (page.hidden) {
      hiding = setTimeout(pause, HIDDEN_MS);
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
      for (const [name, room] of sealed) {
        room.askedAt = 0;
        flush(name, room);
      }
      onState?.("open", socketId);
    } else if (!isGap && (event.startsWith("pusher") || event.startsWith("sealcast:"))) {
      onState?.(event, message);
    } else if (channel?.startsWith(ENCRYPTED)) {
      // Gaps wait as well: the events before them come first.
      const room = sealed.get(channel) ?? { held: [], isAsking: false, askedAt: 0, isLost: false };
      sealed.set(channel, room);
      room.held.push({ message, number: ++received });
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

  /** Opens in order, and asks for the next secret at an event that does not open. */
  function flush(channel, room) {
    while (room.held.length > 0 && !room.isAsking) {
      const { message, number } = room.held[0];
      const isGap = message.event === "sealcast:gap";
      const opened = isGap ? null : open(room.secret, message.data);
      // An event from after the request may need a still newer secret.
      if (!isGap && opened === null && number > room.askedAt) return ask(channel, room);
      room.held.shift();
      const wasLost = room.isLost;
      room.isLost = !isGap && opened === null;
      if (isGap) tellGap(message);
      else if (opened !== null) onEvent({ ...message, data: opened });
      // Sealed with a secret that this client never had: one gap for all in a row.
      else if (!wasLost) onGap?.({ channel, reason: "sealed" });
    }
  }

  async function ask(channel, room) {
    room.isAsking = true;
    const [number, asker] = [received, socketId];
    try {
      room.secret = bytes(await secret(channel, asker));
      // The secret of a former connection does not have to open what this one receives.
      if (asker === socketId) room.askedAt = number;
    } catch (error) {
      onState?.("waiting", error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS[1]));
    }
    room.isAsking = false;
    if (!closed) flush(channel, room);
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
    get retryAt() {
      return retryAt;
    },
    retry,
    close() {
      closed = true;
      clearTimeout(timer);
      clearTimeout(hiding);
      page?.removeEventListener("visibilitychange", changeVisibility);
      globalThis.removeEventListener?.("online", retry);
      source?.close();
      onState?.("closed");
    },
  };
}
