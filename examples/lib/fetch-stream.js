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
import { retryAfterOf, waitAfter } from "./waits.js";

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
    const silence = silenceAfter(silenceMs, () => mine.abort());
    let error;
    try {
      await read(await open(mine.signal), mine, silence);
    } catch (caught) {
      error = mine.signal.aborted ? new ClientError(0) : caught;
    } finally {
      silence.stop();
    }
    // Another attempt, a pause or the end has taken its place.
    if (attempt !== mine) return;
    mine.abort();
    if (FINAL.includes(error?.status)) tell("refused", error);
    else later(error);
  }

  async function open(signal) {
    for (const isStale of [false, true]) {
      const bearer = await Promise.race([token({ isStale }), aborted(signal)]);
      const headers = { ...(bearer && { authorization: `Bearer ${bearer}` }), ...(lastId && { "last-event-id": lastId }) };
      const response = await fetch(`${url}/sse?${query}`, { headers, signal, cache: "no-store" }).catch((error) => {
        throw signal.aborted ? error : new ClientError(0);
      });
      if (response.ok) return response;
      if (response.status !== 401 || isStale) throw await refusal(response);
    }
  }

  async function read(response, mine, silence) {
    // The page may close or pause the stream at any message; one chunk holds several.
    const parse = eventParser({
      onMessage: (text, id) => attempt === mine && receive(text, id),
      onRetry: (ms) => (leastMs = ms),
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || attempt !== mine) return;
      silence.restart();
      parse(value);
    }
  }

  function later(error) {
    // Not before the server's own `retry`, as browsers do.
    const wait = Math.max(waitAfter(failures++, RETRY_MS, error?.retryAfter), Math.min(leastMs, RETRY_MS[1]));
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
      if (state === "closed") return;
      clearTimeout(hiding);
      page?.removeEventListener("visibilitychange", changeVisibility);
      globalThis.removeEventListener?.("online", retry);
      stop("closed");
    },
  };
}

/** Calls `end` when nothing has come for this long, from the first request on. */
function silenceAfter(milliseconds, end) {
  let timer;
  const stop = () => clearTimeout(timer);
  const restart = () => {
    stop();
    timer = setTimeout(end, milliseconds);
  };
  restart();
  return { restart, stop };
}

const aborted = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

async function refusal(response) {
  const answer = await response.json().catch(() => ({}));
  return new ClientError(response.status, { ...answer, retryAfter: retryAfterOf(response) });
}
