// Requests to the server: the session, and the admin API with the session's cookie and key as
// authorization.

const BASE = new URL(".", import.meta.url);
const TIMEOUT_MS = 20_000;

/** An error of the API, or `unreachable` without an answer. */
export class ApiError extends Error {
  constructor(status, { error, code, fix, id } = {}, retryAfter) {
    super(error ?? `The server answered ${status}.`);
    Object.assign(this, { status, code: code ?? `http_${status}`, fix, id, retryAfter });
  }
}

const unreachable = () =>
  new ApiError(0, { code: "unreachable", error: "The server does not answer.", fix: "Check that it runs, and that this page can reach it." });

const withParameters = (path, parameters) => {
  const given = Object.entries(parameters ?? {}).filter(([, value]) => value !== undefined && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
};

/** A segment of a path: names may contain anything. */
export const segment = (name) => encodeURIComponent(name);

export class Api {
  /** When the server answered last, in milliseconds since 1970, and whether it did not lately. */
  heard = 0;
  isAway = false;
  #key;
  #signedOut;

  /** `key`: a SessionKey. `signedOut` is called when the session has ended. */
  constructor(key, signedOut) {
    this.#key = key;
    this.#signedOut = signedOut;
  }

  get(path, parameters, signal) {
    return this.#call("GET", `api${withParameters(path, parameters)}`, undefined, signal);
  }

  post(path, body = {}, signal) {
    return this.#call("POST", `api${path}`, body, signal);
  }

  /** A route of one app: `app("shop", "/keys")`. */
  static app(app, path) {
    return `/admin/apps/${segment(app)}${path}`;
  }

  session() {
    return this.#call("GET", "session");
  }

  /** `{ code }` or `{ token }`; neither is kept. The answer alone has the session's key. */
  async signIn(proof) {
    const { key, ...session } = await this.#request("POST", "session", {}, proof);
    this.#key.keep(key);
    return session;
  }

  signOut() {
    return this.#call("DELETE", "session");
  }

  /** Without a key the server would refuse: it is not asked. */
  async #call(method, path, body, signal) {
    const key = this.#key.value;
    if (key !== undefined) return this.#request(method, path, { "sealcast-console-key": key }, body, signal);
    this.#signedOut();
    throw new ApiError(401, { code: "console_signed_out", error: "You are signed out." });
  }

  async #request(method, path, headers, body, signal) {
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    const options = { method, headers, signal: signal ? AbortSignal.any([signal, limit]) : limit, credentials: "same-origin", cache: "no-store" };
    if (body !== undefined) Object.assign(options, { headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body) });
    let response;
    try {
      response = await fetch(new URL(path, BASE), options);
    } catch (error) {
      if (signal?.aborted) throw error;
      this.isAway = true;
      throw unreachable();
    }
    const answer = await response.json().catch(() => undefined);
    // An error without a code is of a proxy in front of it.
    if (response.ok || answer?.code) Object.assign(this, { heard: Date.now(), isAway: false });
    if (response.ok) return answer;
    const error = new ApiError(response.status, answer, Number(response.headers.get("retry-after")) || undefined);
    if (error.code === "console_signed_out") this.#signedOut();
    throw error;
  }
}
