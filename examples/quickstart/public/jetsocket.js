// A client of the Jetsocket dialect, as none is published: Pusher's protocol under other prefixes, for
// encrypted channels only. `authorize(socketId, channel)` resolves with the answer of the auth endpoint.
// `on` is told of `state(name)`, `refused(error)`, `error(data)` and `unopened(event, frame)`.

const PAUSES_MS = [500, 1000, 2000, 4000, 8000];
const PONG_MS = 10_000;

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

export class Jetsocket {
  #channels = new Map();
  #failures = 0;
  #socket;
  #socketId;
  #silence = 120_000;
  #timer;

  constructor(url, key, { authorize, on }) {
    this.address = `${url.replace(/^http/, "ws")}/app/${key}?protocol=7&client=jetsocket-shim&version=1&dialect=jetsocket`;
    Object.assign(this, { authorize, on });
    this.connect();
  }

  connect() {
    clearTimeout(this.#timer);
    if (this.#socket?.readyState < WebSocket.CLOSING) return;
    this.on.state("connecting");
    this.#socket = new WebSocket(this.address);
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#socket.addEventListener("close", ({ code }) => this.#closed(code));
  }

  /** `handlers`: event name to function. */
  subscribe(name, handlers) {
    // While one event waits for a new secret, the next ones wait behind it.
    this.#channels.set(name, { name, handlers, secret: undefined, isIn: false, turn: Promise.resolve() });
    if (this.#socketId) this.#join(this.#channels.get(name));
  }

  unsubscribe(name) {
    if (this.#channels.delete(name)) this.#send("unsubscribe", { channel: name });
  }

  async #ask(channel) {
    const answer = await this.authorize(this.#socketId, channel.name);
    channel.secret = bytes(answer.shared_secret);
    return answer;
  }

  async #join(channel) {
    const socketId = this.#socketId;
    const isWanted = () => socketId === this.#socketId && this.#channels.get(channel.name) === channel;
    try {
      const { auth } = await this.#ask(channel);
      if (isWanted()) this.#send("subscribe", { channel: channel.name, auth });
    } catch (error) {
      if (isWanted()) this.on.refused(error);
    }
  }

  #receive(frame) {
    const { event, channel: name, data } = JSON.parse(frame);
    const channel = this.#channels.get(name);
    if (event === "jetsocket:connection_established") this.#established(JSON.parse(data));
    else if (event === "jetsocket:error") this.on.error(data);
    else if (event === "jetsocket:subscription_error") this.on.refused(data);
    else if (event === "jetsocket_internal:subscription_succeeded") {
      if (channel) channel.isIn = true;
      this.on.state("subscribed");
    } else if (channel?.isIn) {
      // Before its answer, a frame is still of the subscription that was left.
      // A fault in one event's handler is no reason to hold the next ones back.
      channel.turn = channel.turn.then(() => this.#deliver(channel, event, data, frame)).catch((error) => console.error(error));
    }
    this.#expectMore();
  }

  #established({ socket_id, activity_timeout }) {
    [this.#socketId, this.#silence, this.#failures] = [socket_id, activity_timeout * 1000, 0];
    this.on.state("connected");
    for (const channel of this.#channels.values()) {
      channel.isIn = false;
      this.#join(channel);
    }
  }

  async #deliver(channel, event, data, frame) {
    let plain = null;
    try {
      // Shut: the key was rotated. Ask again, and try once more.
      plain = opened(data, channel.secret) ?? opened(data, bytes((await this.#ask(channel)).shared_secret));
    } catch {
      // Altered, or asking failed: both are frames that do not open.
    }
    // Left while it asked.
    if (this.#channels.get(channel.name) !== channel) return;
    if (plain === null) this.on.unopened(event, frame);
    else channel.handlers[event]?.(parsed(plain), frame);
  }

  /** A line that is silent for too long is asked, and then given up. */
  #expectMore() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#send("ping", {});
      this.#timer = setTimeout(() => this.#socket.close(), PONG_MS);
    }, this.#silence);
  }

  #closed(code) {
    clearTimeout(this.#timer);
    this.#socketId = undefined;
    if (code >= 4000 && code < 4100) return this.on.state("given up");
    this.on.state("connecting");
    const pause = PAUSES_MS[Math.min(this.#failures++, PAUSES_MS.length - 1)] * (0.5 + Math.random());
    this.#timer = setTimeout(() => this.connect(), pause);
  }

  #send(event, data) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ event: `jetsocket:${event}`, data }));
  }
}

/** Like pusher-js: what is no JSON is a text. */
function parsed(plain) {
  try {
    return JSON.parse(plain);
  } catch {
    return plain;
  }
}

function opened(data, secret) {
  const { nonce, ciphertext } = JSON.parse(data);
  const plain = nacl.secretbox.open(bytes(ciphertext), bytes(nonce), secret);
  return plain === null ? null : new TextDecoder().decode(plain);
}
