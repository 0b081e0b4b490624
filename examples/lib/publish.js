// Sealcast's client API from a page: docs/client-api.md. A refused condition is a value, not an error.

import { MAX_RETRY_AFTER, pause, retryAfterOf, waitAfter } from "./waits.js";

const RETRY_MS = [300, 10_000];
/** A dead network says nothing, and a page that waits for it would change nothing more. */
const ANSWER_MS = 20_000;
const RETRIED = [0, 408, 429, 500, 502, 503, 504];

export class ClientError extends Error {
  constructor(status, { error, code, retryAfter } = {}) {
    super(error ?? (status === 0 ? "Sealcast does not answer. This page tries again by itself." : `Sealcast answered ${status}.`));
    Object.assign(this, { name: "ClientError", status, code, retryAfter });
  }
}

export function openClient({ url, token = async () => undefined, onFrame = () => {}, tries = 5, answerMs = ANSWER_MS }) {
  async function once(method, path, { body, headers, signal }, isStale) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const limit = deadline(answerMs, signal);
    let response;
    let answer;
    try {
      const bearer = await limit.before(token({ isStale }));
      if (text !== undefined) onFrame({ direction: "out", text, bytes: new Blob([text]).size });
      const sent = fetch(`${url}${path}`, {
        method,
        headers: {
          ...(bearer && { authorization: `Bearer ${bearer}` }),
          ...(text !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        body: text,
        signal: limit.signal,
      });
      response = await sent.catch(limit.lost);
      answer = await response.text().catch(limit.lost);
    } finally {
      limit.clear();
    }
    const value = parsed(answer);
    if (response.ok || response.status === 304 || response.status === 412) return { response, value, text: answer };
    throw new ClientError(response.status, { ...value, retryAfter: retryAfterOf(response) });
  }

  /** Again after a lost or late answer; after a 401 once, with another token. */
  async function request(method, path, options = {}) {
    let isStale = false;
    for (let attempt = 1; ; attempt++) {
      try {
        return await once(method, path, options, isStale);
      } catch (error) {
        const mayRenew = error.status === 401 && !isStale;
        if (mayRenew) isStale = true;
        else if (!RETRIED.includes(error.status) || attempt >= tries || error.retryAfter > MAX_RETRY_AFTER) throw error;
        else await pause(waitAfter(attempt, RETRY_MS, error.retryAfter), options.signal);
      }
    }
  }

  const channelPath = (channel, rest) => `/channels/${encodeURIComponent(channel)}/${rest}`;
  return {
    async publish(channel, name, data, { ifMatch, ifNoneMatch, socketId, signal } = {}) {
      const body = { name, channel, data, ...(socketId && { socket_id: socketId }) };
      const headers = { ...(ifMatch && { "if-match": `"${ifMatch}"` }), ...(ifNoneMatch && { "if-none-match": "*" }) };
      const { response, value } = await request("POST", "/events", { body, headers, signal });
      return { ok: response.status !== 412, position: value.position ?? null };
    },
    async last(channel, { etag, signal } = {}) {
      const headers = etag ? { "if-none-match": `"${etag}"` } : {};
      const { response, value, text } = await request("GET", channelPath(channel, "last"), { headers, signal });
      if (response.status === 304) return { status: "unchanged" };
      if (response.status === 204) return { status: "empty" };
      onFrame({ direction: "in", text, bytes: new Blob([text]).size });
      return { status: "event", event: value, position: value.position ?? response.headers.get("etag")?.replaceAll('"', "") };
    },
    async history(channel, { signal, ...query } = {}) {
      const given = Object.entries(query).filter(([, item]) => item !== undefined);
      const { value, text } = await request("GET", channelPath(channel, `history?${new URLSearchParams(given)}`), { signal });
      onFrame({ direction: "in", text, bytes: new Blob([text]).size });
      return value;
    },
    async clear(channel) {
      await request("DELETE", channelPath(channel, "history"));
    },
    async ticket(channels) {
      const { value } = await request("POST", "/tickets", { body: { channels } });
      return value.ticket;
    },
  };
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** Ends after this time, or with `signal`. AbortSignal.any is young. */
function deadline(milliseconds, signal) {
  const controller = new AbortController();
  const end = () => controller.abort();
  const timer = setTimeout(end, milliseconds);
  const lost = () => {
    throw signal?.aborted ? signal.reason : new ClientError(0);
  };
  const ended = new Promise((resolve) => controller.signal.addEventListener("abort", resolve, { once: true })).then(lost);
  // Nobody may be waiting for it.
  ended.catch(() => {});
  signal?.addEventListener("abort", end, { once: true });
  if (signal?.aborted) end();
  return {
    signal: controller.signal,
    lost,
    /** For a promise that no signal reaches. */
    before: (promise) => Promise.race([promise, ended]),
    clear() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    },
  };
}

/** The newest ids: a retry after a lost answer brings a message twice. */
export class SeenIds {
  #ids = new Set();
  #limit;

  constructor(limit = 500) {
    this.#limit = limit;
  }

  add(id) {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > this.#limit) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}

/** Reads the last event in intervals while a stream is down; an unchanged event is not read again. */
export function pollLast(client, channel, { every = 5000, onEvent, onAnswer = () => {}, onError = () => {} }) {
  const stopping = new AbortController();
  const { signal } = stopping;
  let etag;
  (async () => {
    while (!signal.aborted) {
      try {
        const answer = await client.last(channel, { etag, signal });
        onAnswer(answer.status);
        if (answer.status === "event") {
          etag = answer.position;
          await onEvent(answer.event, answer.position);
        }
      } catch (error) {
        if (!signal.aborted) onError(error);
      }
      await pause(every, signal).catch(() => {});
    }
  })();
  return () => stopping.abort();
}
