// Tokens of one room from the backend, renewed before they end. No wall clock: it may be wrong.

import { ClientError } from "../../lib/publish.js";

const RENEW_MS = 50 * 60_000;

export function roomTokens(room, player) {
  let kept = null;
  let asking = null;

  async function ask() {
    let response;
    try {
      response = await fetch(`/rooms/${room}/token`, {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ player }),
      });
    } catch {
      throw new ClientError(0);
    }
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new ClientError(response.status, { ...answer, retryAfter: Number(response.headers.get("retry-after")) || undefined });
    kept = { token: answer.token, from: performance.now() };
    return kept.token;
  }

  // Many requests of one moment ask once.
  return async ({ isStale = false } = {}) => {
    const isGood = kept && performance.now() - kept.from < RENEW_MS && !isStale;
    if (isGood) return kept.token;
    asking ??= ask().finally(() => (asking = null));
    return asking;
  };
}
