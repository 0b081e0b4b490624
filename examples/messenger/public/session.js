// A login: a token of 15 minutes, renewed by a cookie that each use replaces.
//
// All tabs of a browser share cookie and token. One asks at a time, and looks first whether another
// has just asked.

const LOCK = "messenger-refresh";
const TIMEOUT_MS = 15_000;

export class RequestError extends Error {
  constructor(status, { error, code, ...rest } = {}, retryAfter) {
    super(error ?? (status === 0 ? "The backend does not answer. This page tries again by itself." : `The backend answered ${status}.`));
    Object.assign(this, { name: "RequestError", status, code, details: rest, retryAfter });
  }

  /** Worth another try later, with the same request. */
  get isPassing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** Without Web Locks (an insecure page) one tab alone still works. */
export const withLock = (name, work) => (navigator.locks ? navigator.locks.request(name, work) : work());

async function send(method, path, body, token) {
  let response;
  let answer;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...(token && { authorization: `Bearer ${token}` }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    answer = await response.text();
  } catch {
    throw new RequestError(0);
  }
  const value = parsed(answer);
  if (!response.ok) throw new RequestError(response.status, value, Number(response.headers.get("retry-after")) || undefined);
  return value;
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** `store` is shared by all tabs. `onEnd(sentence)`: the login is over. `onToken`: another token is in use. */
export function openSession({ store, onEnd, onToken = () => {}, onClock = () => {} }) {
  let access = null;
  let timer;
  let isOver = false;

  const isFresh = (given) => Boolean(given) && Date.now() < given.until && given.until - Date.now() <= given.seconds * 1000;

  /** Counted from now, so that a clock that is wrong does not matter. */
  async function take({ user, token, seconds, now }) {
    onClock(Date.now() - now);
    access = { user, token, seconds, until: Date.now() + seconds * 1000 - Math.min(60_000, seconds * 250), offset: now - Date.now() };
    await store.put("access", access);
    use();
    return access;
  }

  function use() {
    isOver = false;
    clearTimeout(timer);
    timer = setTimeout(() => renew().catch(() => later()), Math.max(500, access.until - Date.now()));
    onToken(access);
  }

  function later() {
    clearTimeout(timer);
    if (!isOver) timer = setTimeout(() => renew().catch(() => later()), 5000);
  }

  function renew(stale) {
    return withLock(LOCK, async () => {
      const shared = await store.get("access");
      if (access && shared && shared.user !== access.user) return leaveTo(shared.user);
      if (isFresh(shared) && shared.token !== (stale ?? access?.token)) {
        access = shared;
        use();
        return access;
      }
      try {
        const answer = await send("POST", "/auth/refresh");
        if (answer.user === null) throw new RequestError(401, { error: "Log in first.", code: "no_login" });
        return await take(answer);
      } catch (error) {
        if (error.status === 401) await end(error.code === "no_login" ? "" : error.message);
        throw error;
      }
    });
  }

  /** Another tab has logged in as somebody else: the cookie is theirs, and this page was made for its own person. */
  function leaveTo(user) {
    clearTimeout(timer);
    isOver = true;
    access = null;
    const sentence = `This browser has logged in with another account, ${user}. Reload to go on with it.`;
    onEnd(sentence);
    throw new RequestError(401, { error: sentence, code: "no_login" });
  }

  async function end(sentence) {
    clearTimeout(timer);
    isOver = true;
    access = null;
    await store.delete("access");
    onEnd(sentence);
  }

  async function current({ isStale = false } = {}) {
    if (isOver) throw new RequestError(401, { error: "Log in first.", code: "no_login" });
    if (!isStale && isFresh(access)) return access;
    return renew(isStale ? access?.token : undefined);
  }

  async function request(method, path, body) {
    const { token } = await current();
    try {
      return await send(method, path, body, token);
    } catch (error) {
      if (error.status !== 401) throw error;
      return send(method, path, body, (await current({ isStale: true })).token);
    }
  }

  return {
    get user() {
      return access?.user ?? null;
    },
    /** The backend's time, as far as known. */
    now: () => Date.now() + (access?.offset ?? 0),
    current,
    request,
    /** After the rooms of this person changed: the channels are part of the token. */
    another: async () => take(await request("POST", "/token")),
    logIn: async (user, password) => take(await send("POST", "/auth/login", { user, password })),
    register: async (user, password) => take(await send("POST", "/auth/register", { user, password })),
    async logOut({ isEverywhere = false, sentence = "" } = {}) {
      await withLock(LOCK, () => send("POST", "/auth/logout", { isEverywhere }));
      await end(sentence);
    },
    /** Another tab has logged out. */
    ended: () => end(""),
  };
}
