// Pauses between tries: they grow, differ from page to page, and no server can make them endless.

/** A longer `Retry-After` is no pause but an answer: come back another time. */
export const MAX_RETRY_AFTER = 30;

/** In seconds; `undefined` for a date and for anything that is no sensible number of seconds. */
export function retryAfterOf(response) {
  const text = response.headers.get("retry-after") ?? "";
  return /^\d{1,9}$/.test(text) && Number(text) > 0 ? Number(text) : undefined;
}

/** Milliseconds. `tried` counts the tries so far; `retryAfter` (seconds) can only make the pause longer. */
export function waitAfter(tried, [least, most], retryAfter = 0) {
  const own = Math.min(most, least * 2 ** Math.min(tried, 20)) * (0.5 + Math.random() / 2);
  // All clients of a server hear the same number, and must not come at once.
  return Math.max(own, Math.min(retryAfter, MAX_RETRY_AFTER) * 1000 * (1 + Math.random() / 5));
}

/** Rejects with the reason of `signal`. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
