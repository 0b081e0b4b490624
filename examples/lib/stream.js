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
//     onState: (state, detail) => ...,      // "open", "waiting", "closed", or a message of the protocol
//   });
//   stream.close();
//
// The browser reconnects and resumes by itself. This file does what is left: another ticket when the
// browser gives up (readyState 2, after a 401), and the order of events that a secret has to open.
// While the stream is down there is no live socket_id, so the auth endpoint gives no secret then:
// whoever polls the history meanwhile opens what the secret in hand opens.

const ENCRYPTED = "private-encrypted-";
const RETRY_MS = [500, 3000, 30_000];

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

export function openStream({ url, channels, ticket, secret, nacl, onEvent, onGap, onState }) {
  let source;
  let socketId;
  let timer;
  let failures = 0;
  let closed = false;
  // The id behind the last event that was handed on, for another EventSource.
  let lastId = "";
  // Of each encrypted channel: its secret, and the events that wait for the next one.
  const sealed = new Map();

  async function connect() {
    try {
      const query = new URLSearchParams(channels.map((channel) => ["channel", channel]));
      if (ticket) query.set("ticket", await ticket());
      if (lastId) query.set("last_event_id", lastId);
      if (closed) return;
      source = new EventSource(`${url}/sse?${query}`);
    } catch (error) {
      return later(error);
    }
    source.onmessage = ({ data, lastEventId }) => receive(JSON.parse(data), lastEventId);
    source.onerror = () => {
      // 0: the browser comes back by itself.
      if (source.readyState === 2) later();
      else onState?.("waiting");
    };
  }

  function later(error) {
    source?.close();
    if (closed) return;
    onState?.("waiting", error);
    const [least, most, limit] = RETRY_MS;
    const wait = Math.min(limit, (least + Math.random() * (most - least)) * 2 ** Math.min(failures++, 5));
    clearTimeout(timer);
    timer = setTimeout(connect, wait);
  }

  function receive(message, id) {
    const { event, channel } = message;
    if (event === "pusher:connection_established") {
      socketId = JSON.parse(message.data).socket_id;
      failures = 0;
      for (const [name, room] of sealed) {
        room.isFresh = false;
        flush(name, room);
      }
      onState?.("open", socketId);
    } else if (event === "sealcast:gap") {
      onGap?.({ channel, ...JSON.parse(message.data) });
    } else if (event.startsWith("pusher") || event.startsWith("sealcast:")) {
      onState?.(event, message);
    } else if (channel?.startsWith(ENCRYPTED)) {
      const room = sealed.get(channel) ?? { secret: null, held: [], isAsking: false, isFresh: false };
      sealed.set(channel, room);
      room.held.push({ message, id });
      return flush(channel, room);
    } else {
      onEvent(message);
    }
    note(id);
  }

  // With an event held, a new EventSource must ask for it again.
  function note(id) {
    if (id && [...sealed.values()].every((room) => room.held.length === 0)) lastId = id;
  }

  /** Opens in order, and asks once for the secret of the first event that does not open. */
  function flush(channel, room) {
    while (room.held.length > 0 && !room.isAsking) {
      const { message, id } = room.held[0];
      const opened = open(room.secret, message.data);
      if (opened !== null) {
        room.isFresh = false;
        room.held.shift();
        onEvent({ ...message, data: opened });
        note(id);
      } else if (room.isFresh) {
        // Sealed with a secret that this client never had.
        room.held.shift();
        onGap?.({ channel, reason: "sealed" });
        note(id);
      } else {
        ask(channel, room);
      }
    }
  }

  async function ask(channel, room) {
    room.isAsking = true;
    try {
      const text = await secret(channel, socketId);
      room.secret = bytes(text);
      room.isFresh = true;
    } catch (error) {
      onState?.("waiting", error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS[1]));
    }
    room.isAsking = false;
    if (!closed) flush(channel, room);
  }

  function open(key, data) {
    if (!key) return null;
    const { nonce, ciphertext } = JSON.parse(data);
    const plain = nacl.secretbox.open(bytes(ciphertext), bytes(nonce), key);
    return plain && new TextDecoder().decode(plain);
  }

  connect();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
      source?.close();
      onState?.("closed");
    },
  };
}
