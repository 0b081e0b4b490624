// The line to Sealcast: rows as they come, who is here, who types. pusher-js with recover.js.

import { recover } from "../../lib/recover.js";

const RETRY_MS = [500, 30_000];
const ANSWER_MS = 10_000;
/** A line that takes longer is said to be away; it is still tried. */
const NOTICE_MS = 1500;
const AGAIN_MS = 1500;

/** pusher-js waits 15 s for a socket that has failed at once, so this file hears of it first. */
const closedSockets = new EventTarget();
window.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.addEventListener("close", () => closedSockets.dispatchEvent(new Event("closed")));
  }
};

/**
 * `on`: `{ state, row, mark, nudge, gap, here, typing, joined, refused }`, called with what arrived.
 * `state(name, { retryAt })` is "live", "reconnecting", "offline" or "refused".
 */
export function openLive({ config, session, user, on }) {
  const { Pusher } = window;
  let failures = 0;
  let timer;
  let watch;
  let notice;
  let isClosed = false;
  let refusal = "";
  const subscribed = new Map();
  const refusals = new Map();

  // It connects only once recover.js has its WebSocket.
  Pusher.isReady = false;
  const pusher = new Pusher(config.key, {
    ...config.pusher, enableStats: false,
    channelAuthorization: { customHandler },
  });
  recover(pusher, Pusher, { onGap: (channel) => on.gap(roomOf(channel)) });
  Pusher.isReady = true;

  function customHandler({ socketId, channelName }, answer) {
    authorize(socketId, channelName).then((good) => answer(null, good), (error) => {
      // pusher-js tells the channel no status of a handler like this one.
      refusals.set(channelName, error.status ?? 0);
      answer(error, null);
    });
  }

  async function authorize(socketId, channelName, isStale = false) {
    const { token } = await session.current({ isStale });
    const response = await fetch(`${config.url}/apps/${config.app}/auth/channel`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ socket_id: socketId, channel_name: channelName }),
    });
    if (response.status === 401 && !isStale) return authorize(socketId, channelName, true);
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw Object.assign(new Error(answer.error ?? `Sealcast answered ${response.status}.`), { status: response.status });
    return answer;
  }

  /* ---- coming back: jittered, without an end, at once when there is a reason to hope ---- */

  function lost() {
    clearTimeout(watch);
    clearTimeout(notice);
    if (isClosed) return;
    pusher.disconnect();
    const [least, most] = RETRY_MS;
    const wait = Math.min(most, least * 2 ** Math.min(failures++, 6) * (0.5 + Math.random()));
    clearTimeout(timer);
    timer = setTimeout(connect, wait);
    if (!navigator.onLine) on.state("offline", {});
    else if (refusal) on.state("refused", { sentence: refusal });
    else on.state("reconnecting", { retryAt: Date.now() + wait });
  }

  function connect() {
    for (const one of [timer, watch, notice]) clearTimeout(one);
    if (isClosed || pusher.connection.state === "connected") return;
    if (!navigator.onLine) return lost();
    if (pusher.connection.state === "connecting") pusher.disconnect();
    watch = setTimeout(lost, ANSWER_MS);
    notice = setTimeout(() => on.state("reconnecting", {}), NOTICE_MS);
    pusher.connect();
  }

  const hurry = () => {
    if (document.visibilityState === "visible" && pusher.connection.state !== "connected") connect();
  };
  // The browser knows it before the socket does.
  const offline = () => lost();
  const failed = () => {
    if (pusher.connection.state === "connecting") lost();
  };

  pusher.connection.bind("state_change", ({ previous, current }) => {
    if (current === "connected") {
      failures = 0;
      refusal = "";
      clearTimeout(watch);
      clearTimeout(notice);
      on.state("live", {});
    } else if (previous === "connected" || current === "unavailable" || current === "failed") {
      // Outside of pusher-js's own change of state.
      queueMicrotask(lost);
    }
  });
  // 4000 to 4099: the server does not want this page as it is.
  pusher.connection.bind("error", ({ error } = {}) => {
    const { code, message } = error?.data ?? {};
    if (!(code >= 4000 && code < 4100)) return;
    refusal = message ?? "Sealcast refused this page.";
    queueMicrotask(lost);
  });
  pusher.connection.bind("connecting_in", () => queueMicrotask(lost));
  for (const [target, event, listener] of listeners()) target.addEventListener(event, listener);

  function listeners() {
    return [[window, "online", hurry], [document, "visibilitychange", hurry], [window, "offline", offline], [closedSockets, "closed", failed]];
  }

  /* ---- channels ------------------------------------------------------------------------------ */

  function subscribe(name, bind) {
    if (subscribed.has(name)) return;
    subscribed.set(name, bind);
    const channel = pusher.subscribe(name);
    bind(channel);
    channel.bind("pusher:subscription_error", (refusal) => {
      const isOwn = pusher.channel(name) === channel;
      if (!isOwn || isClosed) return;
      const status = refusal.status ?? refusals.get(name);
      if (status === 403) return on.refused(roomOf(name));
      again(name, status === 401).catch((error) => {
        if (error.status !== 401) setTimeout(() => again(name).catch(() => {}), AGAIN_MS);
      });
    });
  }

  /** The token has ended, or was revoked: with another one it goes on; without one this login is over. */
  async function again(name, isStale = false) {
    if (isStale) await session.current({ isStale });
    else await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    const bind = subscribed.get(name);
    if (!bind || isClosed) return;
    subscribed.delete(name);
    pusher.unsubscribe(name);
    subscribe(name, bind);
    on.gap(roomOf(name));
  }

  function join(id) {
    subscribe(`private-room-${id}`, (channel) => {
      channel.bind_global((name, data) => takeEvent(id, name, data));
      channel.bind("pusher:subscription_succeeded", () => on.joined(id));
    });
    subscribe(`presence-room-${id}`, (channel) => {
      const tell = () => on.here(id, Object.keys(channel.members.members));
      for (const name of ["pusher:subscription_succeeded", "pusher:member_added", "pusher:member_removed"]) channel.bind(name, tell);
      channel.bind("client-typing", (sealed, { user_id: who } = {}) => on.typing(id, who, sealed));
    });
  }

  function takeEvent(room, name, data) {
    const parts = String(name).split(":");
    if (parts[0] === "row" && parts.length === 7) {
      const [, row, epoch, device, number, id, at] = parts;
      on.row(room, { row: Number(row), type: "message", id, at: Number(at), body: { epoch: Number(epoch), device, number: Number(number), sealed: data } });
    } else if (parts[0] === "read" && parts.length === 4) {
      const [, who, epoch, device] = parts;
      on.mark(room, { user: who, epoch: Number(epoch), device, sealed: data });
    }
  }

  connect();
  subscribe(`private-user-${user}`, (channel) => channel.bind("changed", (what) => on.nudge(what)));

  return {
    join,
    leave(id) {
      for (const name of [`private-room-${id}`, `presence-room-${id}`]) {
        subscribed.delete(name);
        pusher.unsubscribe(name);
      }
    },
    get isLive() {
      return pusher.connection.state === "connected";
    },
    tryNow: connect,
    type(id, sealed) {
      const channel = pusher.channel(`presence-room-${id}`);
      if (channel?.subscribed) channel.trigger("client-typing", sealed);
    },
    /** With another token: subscriptions go on without an interruption. */
    async extend() {
      const socketId = pusher.connection.socket_id;
      if (!socketId) return;
      for (const name of subscribed.keys()) await authorize(socketId, name).catch(() => {});
    },
    close() {
      isClosed = true;
      for (const one of [timer, watch, notice]) clearTimeout(one);
      for (const [target, event, listener] of listeners()) target.removeEventListener(event, listener);
      pusher.disconnect();
    },
  };
}

const roomOf = (channel) => /^(?:private|presence)-room-([0-9a-f]{32})$/.exec(channel)?.[1] ?? null;
