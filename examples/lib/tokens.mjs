// What a backend asks Sealcast for: signed requests, access tokens, JWTs. Node's crypto alone.

import { createHash, createHmac } from "node:crypto";

const TIMEOUT_MS = 5000;
const DEFAULT_TTL = 900;

export class ApiError extends Error {
  constructor(status, { error, code, position } = {}) {
    super(error ?? `Sealcast answered ${status}.`);
    Object.assign(this, { name: "ApiError", status, code, position });
  }
}

const hmac = (secret, text) => createHmac("sha256", secret).update(text);

/** The query of a signed request: docs/internals/protocol.md. */
function signedQuery({ key, secret }, method, path, query, body) {
  const parameters = {
    ...query, auth_key: key, auth_timestamp: String(Math.floor(Date.now() / 1000)), auth_version: "1.0",
    ...(body === undefined ? {} : { body_md5: createHash("md5").update(body).digest("hex") }),
  };
  const names = Object.keys(parameters).sort();
  const text = names.map((name) => `${name}=${parameters[name]}`).join("&");
  const signature = hmac(secret, `${method}\n${path}\n${text}`).digest("hex");
  return new URLSearchParams({ ...parameters, auth_signature: signature });
}

export function serverApi({ url, app }) {
  async function call(method, below, { body, query = {}, headers = {} } = {}) {
    const path = `/apps/${app.id}${below}`;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const given = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
    const send = () => fetch(`${url()}${path}?${signedQuery(app, method, path, given, text)}`, {
      method,
      headers: text === undefined ? headers : { "content-type": "application/json", ...headers },
      body: text,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    let response;
    let received;
    try {
      response = await send();
      // The request did not arrive in time. A Sealcast that stood still says so to all that wait.
      if (response.status === 408) response = await send();
      received = await response.text();
    } catch {
      throw new ApiError(503, { error: "The backend cannot reach Sealcast. It starts again by itself; try once more.", code: "unreachable" });
    }
    const answer = parsed(received);
    if (!response.ok) throw new ApiError(response.status, answer);
    return answer;
  }

  return {
    call,
    trigger(channels, name, data, { ifMatch, ifNoneMatch, socketId } = {}) {
      const body = {
        name, channels: [channels].flat(), data: typeof data === "string" ? data : JSON.stringify(data),
        ...(socketId === undefined ? {} : { socket_id: socketId }),
      };
      const headers = { ...(ifMatch && { "if-match": `"${ifMatch}"` }), ...(ifNoneMatch && { "if-none-match": "*" }) };
      return call("POST", "/events", { body, headers });
    },
    accessToken: ({ user, channels, allow, ttl = DEFAULT_TTL, info, origin }) =>
      call("POST", "/tokens", { body: { user_id: user, channels, allow, ttl, user_info: info, origin } }),
    revokeToken: (jti) => call("POST", "/tokens/revoke", { body: { jti } }),
    revokeUser: (user) => call("POST", "/tokens/revoke", { body: { user_id: user } }),
    terminate: (user) => call("POST", `/users/${encodeURIComponent(user)}/terminate_connections`, { body: {} }),
    history: (channel, query = {}) => call("GET", `/channels/${channel}/history`, { query }),
    clear: (channel) => call("DELETE", `/channels/${channel}/history`),
  };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** For an app with `authorizer = "jwt"`; give `exp` in seconds. */
export function signJwt(secret, claims) {
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${hmac(secret, text).digest("base64url")}`;
}

/** A channel name that cannot be guessed: docs/authorization.md. */
export const signedId = (secret, prefix, id) =>
  `${prefix}${id}.${hmac(secret, `sealcast-id:${prefix}${id}`).digest("hex").slice(0, 32)}`;

/** The answer of a backend's own auth endpoint. */
export function channelAuth({ key, secret }, socketId, channel, channelData) {
  const data = channelData === undefined ? undefined : JSON.stringify(channelData);
  const text = [socketId, channel, data].filter((item) => item !== undefined).join(":");
  return { auth: `${key}:${hmac(secret, text).digest("hex")}`, ...(data !== undefined && { channel_data: data }) };
}
