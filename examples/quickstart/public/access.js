// Who this visitor is, and what the auth endpoint said: a refusal (403) is not a fault (500).

export class AuthError extends Error {
  constructor(status, { error, code, fix } = {}) {
    super(error ?? `status ${status}`);
    Object.assign(this, { status, code, fix });
  }
}

/** A token is renewed this long before its end. Measured by this page's uptime: clocks may be wrong. */
const RENEW_MS = 60_000;

/** `me` is `{ id, name, role }`; call `forget()` after a change of it. */
export function openAccess(config, me) {
  const asked = new Map();
  let token;
  let changes = 0;

  async function currentToken() {
    if (!token || performance.now() > token.staleAt) {
      const before = changes;
      const { token: text, seconds } = await post("/token", JSON.stringify(me), { "Content-Type": "application/json" });
      const fresh = { text, staleAt: performance.now() + seconds * 1000 - RENEW_MS };
      // Of a role or a name that was left meanwhile: for this request only.
      if (before !== changes) return { Authorization: `Bearer ${text}` };
      token = fresh;
    }
    return { Authorization: `Bearer ${token.text}` };
  }

  /** `dialect` is "pusher" or "jetsocket", and the endpoint's path begins with it. */
  async function authorize(dialect, socketId, channel) {
    count(dialect, socketId, channel);
    const form = new URLSearchParams({ socket_id: socketId, channel_name: channel, app_key: config.key });
    // `serve --dev` believes what it is told.
    if (!config.hasRoles) {
      form.set("user_id", me.id);
      form.set("user_info", JSON.stringify({ name: me.name }));
    }
    const headers = config.hasRoles ? await currentToken() : {};
    try {
      return await post(`${config.url}/${dialect}/auth`, form, headers);
    } catch (error) {
      if (error.status === 401) token = undefined;
      throw error;
    }
  }

  function count(dialect, socketId, channel) {
    const known = asked.get(dialect) ?? { sockets: new Set(), again: 0 };
    const place = `${socketId} ${channel}`;
    if (channel === config.sealedChannel && known.sockets.has(place)) known.again += 1;
    known.sockets.add(place);
    asked.set(dialect, known);
  }

  return {
    authorize,
    forget() {
      token = undefined;
      changes++;
    },
    /** How often a subscribed client asked for the sealed channel's secret once more. */
    askedAgain: (dialect) => asked.get(dialect)?.again ?? 0,
  };
}

async function post(url, body, headers) {
  let response;
  let answer = {};
  try {
    response = await fetch(url, { method: "POST", body, headers, signal: AbortSignal.timeout(10_000) });
    answer = await response.json();
  } catch {
    // No answer, or none in JSON: the status says the rest.
  }
  if (!response?.ok) throw new AuthError(response?.status ?? 0, answer);
  return answer;
}

/** What to say about a failed authorization. `kind` is "refused" or "fault". */
export function explainFailure({ status = 0, message, error, code, fix }, role) {
  const said = String(message ?? error ?? "").replace(/^./, (letter) => letter.toUpperCase()).replace(/([^.])$/, "$1.");
  if (status === 403) {
    const who = role ? `Role “${role}” may not read this.` : "This visitor may not read this.";
    return { kind: "refused", word: "403: refused", title: who, text: said, code };
  }
  if (status === 401) {
    return { kind: "refused", word: "401: unknown", title: "The server does not know this visitor.", text: `${said} ${fix ?? ""}`, code };
  }
  if (status === 429) return { kind: "fault", word: "429: later", title: "Too many questions at once.", text: "Wait a moment, then try again.", code };
  if (status === 0) {
    return { kind: "fault", word: "No answer", title: "The auth endpoint gave no answer.", text: "It is down, or this page’s address is not in the app’s origins.", code };
  }
  return {
    kind: "fault", word: `${status}: fault`, title: "Nobody could say whether you may.",
    text: `This is a fault, not a refusal. ${said}`, code,
  };
}
