// The connection: an unmodified pusher-js, tokens that renew themselves, and frames at a steady pace.

import { ask } from "./backend.js";
import { keepToken } from "./token-keeper.js";

const DIRECTORY = "presence-chat";
/** Below the server's limit of 30 a second. */
const FRAMES_PER_SECOND = 25;
/** Signed out, or another browser has made a new key. */
const FINAL = [401, 409];
const JOIN_AGAIN_MS = [3000, 30_000];
const FIRST_RETRY_MS = 2500;
const LONGEST_RETRY_MS = 15_000;

export const channelOf = (a, b) => `private-dm-${a < b ? `${a}.${b}` : `${b}.${a}`}`;

/**
 * `on.state(name, details)`, `on.members([{ id, name, key }])`, `on.event(peerId, event, data)`,
 * `on.trouble({ sentence, leftMs } or null)` while no new token comes, `on.refused(error)`.
 */
export function openLine({ config, me, clock, on }) {
  const members = new Map();
  const channels = new Map(); // peer id to channel
  const waiting = [];
  const joinsLater = new Map(); // channel name to { timer, join }
  const joinFailures = new Map();
  let pace;
  let isClosed = false;
  let isRefused = false;

  const pusher = new Pusher(config.key, {
    ...config.pusher,
    activityTimeout: 20_000,
    pongTimeout: 8000,
    unavailableTimeout: 4000,
    channelAuthorization: { customHandler: authorize },
  });

  /* ---- tokens --------------------------------------------------------------------------- */

  const tokens = keepToken({
    ask: () => ask("POST", "/token", { key: me.publicText }),
    clock,
    onTrouble: (trouble) => isClosed || on.trouble(trouble),
    final: FINAL,
    onFinal: refuseFor,
    async onRenewed() {
      const { socket_id: socketId } = pusher.connection;
      if (socketId) await Promise.all(pusher.allChannels().map(({ name }) => authorization(socketId, name)));
      for (const { timer, join } of [...joinsLater.values()]) {
        clearTimeout(timer);
        join();
      }
    },
  });

  async function authorize({ socketId, channelName }, callback) {
    try {
      callback(null, await authorization(socketId, channelName));
    } catch (error) {
      refuseFor(error);
      callback(error, null);
    }
  }

  async function authorization(socketId, channel) {
    const request = async () => fetch(`${config.url}/apps/${config.app}/auth/channel`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${await tokens.current()}` },
      body: JSON.stringify({ socket_id: socketId, channel_name: channel }),
    }).catch((error) => {
      throw error instanceof TypeError ? new Error("The server does not answer. It is asked again.") : error;
    });
    let response = await request();
    if (response.status === 401) {
      tokens.drop();
      response = await request();
    }
    const answer = await response.json();
    if (!response.ok) throw Object.assign(new Error(answer.error), { status: response.status === 401 ? 0 : response.status });
    return answer;
  }

  function refuseFor(error) {
    if (isClosed || isRefused || !FINAL.includes(error.status)) return;
    isRefused = true;
    on.refused(error);
  }

  /* ---- state ---------------------------------------------------------------------------- */

  let again; // timer of the next try
  let retryAt;
  let tries = 0;
  pusher.connection.bind("state_change", ({ current }) => {
    if (current === "connected") {
      tries = 0;
      stopTrying();
    } else {
      waiting.length = 0;
      again ??= tryLater();
    }
    tellState();
  });

  /** pusher-js alone may wait a quarter of a minute for an attempt that has failed. */
  function tryLater() {
    const wait = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 1.5 ** tries++) * (0.8 + Math.random() * 0.4);
    retryAt = Date.now() + wait;
    return setTimeout(retry, wait);
  }

  function stopTrying() {
    clearTimeout(again);
    again = retryAt = undefined;
  }

  function retry() {
    if (isClosed) return;
    stopTrying();
    pusher.disconnect();
    pusher.connect();
  }

  window.addEventListener("offline", tellState);
  window.addEventListener("online", tellState);

  let isIn = false;
  let refusal; // why the directory does not take this browser: { sentence, retryAt }
  function tellState() {
    if (isClosed) return;
    const { state } = pusher.connection;
    if (state !== "connected") isIn = false;
    if (!navigator.onLine) on.state("offline");
    else if (state === "connected") on.state(isIn ? "live" : refusal ? "refused" : "loading", refusal && { ...refusal, retry: tokens.renew });
    else on.state("reconnecting", { retryAt, retry });
  }

  /* ---- the directory -------------------------------------------------------------------- */

  function joinDirectory() {
    const directory = pusher.subscribe(DIRECTORY);
    directory.bind("pusher:subscription_succeeded", ({ members: all }) => {
      members.clear();
      for (const [id, info] of Object.entries(all)) takeMember(id, info);
      isIn = true;
      joinFailures.delete(DIRECTORY);
      refusal = undefined;
      tellState();
      tellMembers();
    });
    directory.bind("pusher:member_added", ({ id, info }) => {
      takeMember(id, info);
      tellMembers();
    });
    directory.bind("pusher:member_removed", ({ id }) => {
      members.delete(id);
      tellMembers();
    });
    directory.bind("pusher:subscription_error", (error) => joinAgain(error, DIRECTORY, joinDirectory));
  }

  function takeMember(id, info) {
    const isGood = /^[\da-f]{32}$/.test(id) && typeof info?.name === "string" && typeof info.key === "string";
    if (!isGood) return;
    members.set(id, { id, name: info.name.slice(0, 40), key: info.key });
    if (id !== me.id) join(id);
  }

  const tellMembers = () => on.members([...members.values()]);

  /** pusher-js does nothing by itself after the end of a token, or a failed request for one. */
  function joinAgain({ type, error: sentence }, name, join) {
    const isEnded = type === "AuthExpired" || type === "AuthRevoked";
    if (isEnded) tokens.drop();
    pusher.unsubscribe(name);
    const wait = isEnded ? 0 : waitFor(name);
    if (name === DIRECTORY) {
      // Everybody else has seen this browser leave.
      isIn = false;
      refusal = isEnded ? undefined : { sentence, retryAt: Date.now() + wait };
      tellState();
    }
    const joinNow = () => {
      joinsLater.delete(name);
      if (!isClosed && !isRefused) join();
    };
    clearTimeout(joinsLater.get(name)?.timer);
    joinsLater.set(name, { timer: setTimeout(joinNow, wait), join: joinNow });
  }

  function waitFor(name) {
    const [least, most] = JOIN_AGAIN_MS;
    const failures = joinFailures.get(name) ?? 0;
    joinFailures.set(name, failures + 1);
    return Math.min(most, least * 1.5 ** failures) * (0.8 + Math.random() * 0.4);
  }

  /* ---- channels of two ------------------------------------------------------------------ */

  /** Both have to be in the channel before one of them says something. */
  function join(peer) {
    const name = channelOf(me.id, peer);
    const channel = pusher.subscribe(name);
    if (channels.get(peer) === channel) return;
    channels.set(peer, channel);
    channel.bind_global((event, data) => {
      if (event.startsWith("client-")) on.event(peer, event, data);
    });
    channel.bind("pusher:subscription_error", (error) => joinAgain(error, name, () => join(peer)));
    channel.bind("pusher:subscription_succeeded", () => {
      joinFailures.delete(name);
      drain();
    });
  }

  function send(peer, event, data) {
    waiting.push({ peer, event, data });
    pace ??= setTimeout(drain, 0);
  }

  function drain() {
    clearTimeout(pace);
    pace = undefined;
    const at = waiting.findIndex(({ peer }) => channels.get(peer)?.subscribed);
    if (at < 0 || pusher.connection.state !== "connected") return;
    const [{ peer, event, data }] = waiting.splice(at, 1);
    channels.get(peer).trigger(event, data);
    pace = setTimeout(drain, 1000 / FRAMES_PER_SECOND);
  }

  joinDirectory();
  tellState();
  return {
    send,
    renew: tokens.renew,
    close() {
      isClosed = true;
      tokens.close();
      for (const { timer } of joinsLater.values()) clearTimeout(timer);
      clearTimeout(pace);
      stopTrying();
      window.removeEventListener("offline", tellState);
      window.removeEventListener("online", tellState);
      pusher.disconnect();
    },
  };
}
