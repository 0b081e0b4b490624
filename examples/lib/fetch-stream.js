// Event streams over `fetch`, with the token in a header: no ticket, no secret in a URL. docs/streams.md
//
//   const stream = openFetchStream({
//     url: config.client, channels,
//     token: ({ isStale }) => ...,          // as of openClient
//     onEvent: ({ channel, event, data, user_id, position }) => ...,
//     onGap: ({ channel, reason, position }) => ...,
//     onState: (state, detail) => ...,      // "open", "waiting", "paused", "refused", "closed", or a protocol message
//     onFrame: ({ direction, text, bytes }) => ...,
//   });
//   stream.retry();   // now, instead of at stream.retryAt
//   stream.close();
//
// `position` is good for conditions if the stream has one channel with a history. For encrypted
// channels take stream.js, which opens them.

import { ClientError } from "./publish.js";
import { eventParser } from "./sse.js";

const RETRY_MS = [500, 30_000];
/** The server sends a comment each 20 seconds. */
const SILENCE_MS = 45_000;
/** All tabs of a browser share six connections to an origin over HTTP/1.1. */
const HIDDEN_MS = 30_000;
const FINAL = [400, 403, 404, 413, 414];

export function openFetchStream({
  url, channels, token, onEvent, onGap, onState, onFrame, silenceMs = SILENCE_MS, hiddenMs = HIDDEN_MS,
}) {
  const page = globalThis.document;
  const query = new URLSearchParams(channels.map((channel) => ["channel", channel]));
  let attempt;
  let timer;
  let hiding;
  let lastId = "";
  let failures = 0;
  let leastMs = 0;
  let retryAt;
  let state = "waiting";

  function tell(next, detail) {
    state = next;
    onState?.(next, detail);
  }

  async function connect() {
    clearTimeout(timer);
    attempt?.abort();
    const mine = (attempt = new AbortController());
    retryAt = undefined;
    let error;
    try {
      await read(await open(mine.signal), mine);
    } catch (caught) {
      error = caught;
    }
    // Another attempt, a pause or the end has taken its place.
    if (attempt !== mine) return;
    mine.abort();
    if (FINAL.includes(error?.status)) tell("refused", error);
    else later(error);
  }

  async function open(signal) {
    for (const isStale of [false, true]) {
      const bearer = await token({ isStale });
      const headers = { ...(bearer && { authorization: `Bearer ${bearer}` }), ...(lastId && { "last-event-id": lastId }) };
      const response = await fetch(`${url}/sse?${query}`, { headers, signal, cache: "no-store" }).catch((error) => {
        throw signal.aborted ? error : new ClientError(0);
      });
      if (response.ok) return response;
      if (response.status !== 401 || isStale) throw await refusal(response);
    }
  }

  async function read(response, mine) {
    const parse = eventParser({ onMessage: receive, onRetry: (ms) => (leastMs = ms) });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let silence;
    try {
      for (;;) {
        clearTimeout(silence);
        silence = setTimeout(() => mine.abort(), silenceMs);
        const { done, value } = await reader.read();
        if (done || attempt !== mine) return;
        parse(value);
      }
    } finally {
      clearTimeout(silence);
    }
  }

  function later(error) {
    const [least, most] = RETRY_MS;
    const wait = error?.retryAfter ? error.retryAfter * 1000
      : Math.min(most, Math.max(leastMs, least * 2 ** Math.min(failures++, 6)) * (0.5 + Math.random()));
    retryAt = Date.now() + wait;
    timer = setTimeout(connect, wait);
    tell("waiting", error);
  }

  function receive(text, id) {
    onFrame?.({ direction: "in", text, bytes: new Blob([text]).size });
    const message = JSON.parse(text);
    if (id) lastId = id;
    if (message.event === "sealcast:gap") return onGap?.({ channel: message.channel, ...JSON.parse(message.data) });
    if (message.event === "pusher:connection_established") {
      failures = 0;
      return tell("open", JSON.parse(message.data).socket_id);
    }
    if (/^(?:pusher|sealcast)[:_]/.test(message.event)) return onState?.(message.event, message);
    onEvent({ ...message, ...(id && { position: id }) });
  }

  function stop(next) {
    clearTimeout(timer);
    const mine = attempt;
    attempt = undefined;
    mine?.abort();
    tell(next);
  }

  function retry() {
    if (state === "waiting" || state === "refused") connect();
  }

  function changeVisibility() {
    clearTimeout(hiding);
    if (page.hidden) hiding = setTimeout(() => state !== "refused" && stop("paused"), hiddenMs);
    else if (state === "paused") connect();
    else retry();
  }

  page?.addEventListener("visibilitychange", changeVisibility);
  globalThis.addEventListener?.("online", retry);
  connect();
  // A tab may begin in the background.
  if (page?.hidden) changeVisibility();
  return {
    retry,
    get retryAt() {
      return retryAt;
    },
    close() {
      clearTimeout(hiding);
      page?.removeEventListener("visibilitychange", changeVisibility);
      globalThis.removeEventListener?.("online", retry);
      stop("closed");
    },
  };
}

async function refusal(response) {
  const answer = await response.json().catch(() => ({}));
  return new ClientError(response.status, { ...answer, retryAfter: Number(response.headers.get("retry-after")) || undefined });
}
