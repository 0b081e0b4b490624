// The line to Sealcast: passes that renew themselves, the client API, and a live stream.
//
// A stream ends with its pass. So the next one opens before that, and no moment is without one.

import { ClientError, openClient } from "/lib/publish.js";
import { openStream } from "/lib/stream.js";

const ENCRYPTED = "private-encrypted-";
/** The next pass is asked for when this much of the life of one is left. */
const RENEW_AT = 0.4;
/** A refusal that lasts is asked about again: the list may have been changed meanwhile. */
const REFUSED_MS = 30_000;
const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/** `askPass()` resolves with a pass of the backend, or throws. */
export function openConnection({ config, askPass, onFrame, onEvent, onGap, onState, onPeople, onMoved }) {
  let pass;
  let asking;
  let streams = [];
  let renewal;
  let isClosed = false;
  const closing = new AbortController();
  let live = null;
  const secrets = new Map();

  const isOld = () => performance.now() > pass.askedAt + pass.lifetime * 1000 * (1 - RENEW_AT / 2);

  /** One request for all that wait for a pass. */
  async function currentPass(isStale) {
    if (pass && !isStale && !isOld()) return pass;
    asking ??= (async () => {
      const askedAt = performance.now();
      const next = await askPass();
      if (pass && next.revision !== pass.revision) onMoved(next.revision);
      pass = { ...next, askedAt };
      return pass;
    })().finally(() => (asking = undefined));
    return asking;
  }

  const token = async ({ isStale }) => (await currentPass(isStale)).token;
  const clientWith = (tries) => openClient({ url: `${config.url}/app/${pass.app.key}`, token, onFrame, tries });

  async function start() {
    await currentPass(false);
    if (!isClosed) openAnother();
  }

  function openAnother() {
    clearTimeout(renewal);
    const mine = { socketId: null, stream: null };
    const { channel, presence } = pass;
    const tickets = clientWith(1);
    const stream = openStream({
      url: `${config.url}/app/${pass.app.key}`,
      channels: [channel, presence],
      ticket: async () => {
        await currentPass(false);
        return tickets.ticket([channel, presence]);
      },
      secret: askSecret,
      nacl: window.nacl,
      onEvent: (message) => (message.channel === presence ? presenceEvent(message) : onEvent(message)),
      onGap,
      onState: (state, detail) => streamState(mine, state, detail),
    });
    mine.stream = stream;
    streams.push(mine);
  }

  function streamState(mine, state, detail) {
    if (isClosed) return;
    if (state === "open") {
      mine.socketId = detail;
      live = mine;
      for (const old of streams.filter((each) => each !== mine)) old.stream?.close();
      streams = [mine];
      clearTimeout(renewal);
      const left = pass.askedAt + pass.lifetime * 1000 - performance.now();
      renewal = setTimeout(renew, Math.min(Math.max(1000, left - pass.lifetime * 1000 * RENEW_AT), 2 ** 31 - 1));
      onState("live");
    } else if (state === "waiting") {
      mine.socketId = null;
      // This pass is out for good; another one may be good.
      if (detail?.code === "revoked") return reopen();
      // The former stream is still there while a new one cannot open.
      if (live === mine || live === null) lost(detail);
    } else if (state === "refused") {
      clearTimeout(renewal);
      renewal = setTimeout(reopen, REFUSED_MS);
      if (live === mine || live === null) lost(detail);
    } else if (state === "paused") {
      // A hidden page lets go of its line, and takes it up again when it is shown.
      clearTimeout(renewal);
      mine.socketId = null;
      if (live === mine) live = null;
    } else if (state === "pusher:subscription_error") {
      lost(new Error("The server ended this subscription."));
      reopen();
    } else {
      presenceState(state, detail);
    }
  }

  function lost(error) {
    live = null;
    onState("waiting", error);
  }

  async function renew() {
    // The stream that lets go of hidden pages must stay the last one.
    if (document.hidden) return;
    try {
      await currentPass(true);
      if (!isClosed) openAnother();
    } catch (error) {
      if (isClosed) return;
      // Refused for good, or nobody answers: the running stream tells when it ends.
      renewal = setTimeout(renew, 5000);
      if (error.status === 401 || error.status === 403) lost(error);
    }
  }

  /** At once, with another pass. */
  async function reopen() {
    clearTimeout(renewal);
    for (const each of streams) each.stream?.close();
    streams = [];
    live = null;
    try {
      await currentPass(true);
      if (!isClosed) openAnother();
    } catch (error) {
      if (isClosed) return;
      onState("waiting", error);
      if (![401, 403].includes(error.status)) renewal = setTimeout(reopen, 3000);
    }
  }

  /* ---- who else is here ------------------------------------------------------------------- */

  const people = new Map();

  function presenceState(name, { channel, data } = {}) {
    if (channel !== pass.presence) return;
    const value = typeof data === "string" ? JSON.parse(data) : data;
    if (name === "pusher_internal:subscription_succeeded") {
      people.clear();
      for (const [id, info] of Object.entries(value.presence.hash)) people.set(id, info);
    } else if (name === "pusher_internal:member_added") {
      people.set(value.user_id, value.user_info);
    } else if (name === "pusher_internal:member_removed") {
      people.delete(value.user_id);
    }
    onPeople([...people].map(([id, info]) => ({ id, isMe: id === pass.subject, ...info })));
  }

  function presenceEvent({ event, data }) {
    if (event === "moved") onMoved(JSON.parse(data).revision);
  }

  /* ---- the server's own seal -------------------------------------------------------------- */

  async function askSecret(channel, socketId) {
    const answer = await fetch(`${config.url}/apps/${pass.app.id}/auth/channel`, {
      method: "POST",
      headers: { authorization: `Bearer ${await token({})}`, "content-type": "application/json" },
      body: JSON.stringify({ socket_id: socketId, channel_name: channel }),
    });
    if (!answer.ok) throw new ClientError(answer.status, await answer.json().catch(() => ({})));
    const { shared_secret: secret } = await answer.json();
    secrets.set(channel, secret);
    return secret;
  }

  /** Waits for a live stream, as a secret is for a live connection only. */
  async function openServerSeal(channel, data) {
    const { nonce, ciphertext } = JSON.parse(data);
    for (let attempt = 0; attempt < 2; attempt++) {
      if (attempt > 0 || !secrets.has(channel)) await askSecret(channel, await liveSocket());
      const plain = window.nacl.secretbox.open(bytes(ciphertext), bytes(nonce), bytes(secrets.get(channel)));
      if (plain) return new TextDecoder().decode(plain);
    }
    throw new Error("The server’s seal does not open. Try again in a moment.");
  }

  async function liveSocket() {
    for (let i = 0; i < 100 && !isClosed; i++) {
      if (live?.socketId) return live.socketId;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("There is no live connection.");
  }

  return {
    start,
    reopen,
    get pass() {
      return pass;
    },
    /** Aborted when this line is given up, so that nothing is sent to a place that the list has left. */
    closing: closing.signal,
    get retryAt() {
      return streams.at(-1)?.stream?.retryAt;
    },
    /** The client API with passes that renew themselves; `last` takes the server's seal off. */
    client(tries = 3) {
      const client = clientWith(tries);
      const last = async (channel, options) => {
        let answer = await client.last(channel, options);
        // After a revocation in a sealed channel the kept event has no position: the log has it.
        if (answer.status === "event" && !answer.position) {
          const { events: [event] } = await client.history(channel, { limit: 1, order: "newest", ...options });
          if (event) answer = { status: "event", event, position: event.position };
        }
        if (answer.status !== "event" || !channel.startsWith(ENCRYPTED)) return answer;
        return { ...answer, event: { ...answer.event, data: await openServerSeal(channel, answer.event.data) } };
      };
      return { ...client, last };
    },
    /** Another channel with the own pass: what an intruder would try. */
    async peek(channel) {
      const client = clientWith(1);
      try {
        const answer = await client.last(channel);
        if (answer.status !== "event") return { status: 204 };
        const { data } = answer.event;
        const text = channel.startsWith(ENCRYPTED) ? await openServerSeal(channel, data) : data;
        return { status: 200, list: JSON.parse(text).state };
      } catch (error) {
        return { status: error.status, code: error.code, error: error.message };
      }
    },
    close() {
      isClosed = true;
      closing.abort();
      clearTimeout(renewal);
      for (const each of streams) each.stream?.close();
    },
  };
}
