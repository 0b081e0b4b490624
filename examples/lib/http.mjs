// The parts of an HTTP server that every example needs: refusals, JSON bodies, routes, rates, headers.

export class Refusal extends Error {
  constructor(status, sentence, extra = {}) {
    super(sentence);
    Object.assign(this, { name: "Refusal", status, extra });
  }
}

export function securityHeaders({ connect, csp = {} }) {
  const directives = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "manifest-src": ["'self'"],
    "connect-src": ["'self'", ...connect],
    "base-uri": ["'none'"],
    "form-action": ["'none'"],
    "frame-ancestors": ["'none'"],
    "require-trusted-types-for": ["'script'"],
    "trusted-types": ["'none'"],
  };
  for (const [name, sources] of Object.entries(csp)) {
    const own = (directives[name] ?? []).filter((source) => source !== "'none'");
    directives[name] = [...own, ...sources];
  }
  return {
    "Content-Security-Policy": Object.entries(directives).map(([name, list]) => [name, ...list].join(" ")).join("; "),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
  };
}

export async function readJson(request, maxBytes) {
  const type = request.headers["content-type"]?.split(";", 1)[0].trim();
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > maxBytes) throw new Refusal(413, `This is larger than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  if (type !== "application/json") throw new Refusal(415, "The backend takes JSON only.");
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new Refusal(400, "This is not valid JSON.");
  }
}

export function readCookies(request) {
  const cookies = {};
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const at = part.indexOf("=");
    if (at < 0) continue;
    const name = part.slice(0, at).trim();
    // A name sent twice is of two sources: neither counts.
    cookies[name] = Object.hasOwn(cookies, name) ? undefined : part.slice(at + 1).trim();
  }
  return cookies;
}

export function cookieText(name, value, { path = "/", maxAge, secure }) {
  const parts = [`${name}=${value}`, `Path=${path}`, "HttpOnly", "SameSite=Strict"];
  if (maxAge !== undefined) parts.push(`Max-Age=${maxAge}`);
  // Safari drops Secure cookies of http://localhost.
  if (secure) parts.push("Secure");
  return parts.join("; ");
}

/** `"POST /rooms/:id"` to a function that finds handler and parameters. */
export function router(routes) {
  const table = Object.entries(routes).map(([route, handler]) => {
    const [method, path] = route.split(" ");
    return { method, parts: path.split("/"), handler };
  });
  return (method, path) => {
    const parts = path.split("/");
    const fits = table.filter((route) => route.parts.length === parts.length
      && route.parts.every((part, i) => part.startsWith(":") ? parts[i] !== "" : part === parts[i]));
    const found = fits.find((route) => route.method === method);
    if (!found) return { isKnownPath: fits.length > 0 };
    const params = {};
    found.parts.forEach((part, i) => {
      if (part.startsWith(":")) params[part.slice(1)] = decoded(parts[i]);
    });
    return { isKnownPath: true, handler: found.handler, params };
  };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refusal(400, "The address is not well formed.");
  }
}

const MAX_ADDRESSES = 10_000;

/** A bucket of tokens for each address. Returns the seconds to wait, 0 if the request may pass. */
export function rateLimit(perMinute, now = () => performance.now()) {
  const buckets = new Map();
  return (address) => {
    const time = now();
    const bucket = buckets.get(address) ?? { tokens: perMinute, time };
    bucket.tokens = Math.min(perMinute, bucket.tokens + (Math.max(0, time - bucket.time) * perMinute) / 60_000);
    bucket.time = time;
    // Put in again at the end, so that the first is the one longest silent.
    buckets.delete(address);
    buckets.set(address, bucket);
    if (buckets.size > MAX_ADDRESSES) buckets.delete(buckets.keys().next().value);
    if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) * 60) / perMinute);
    bucket.tokens -= 1;
    return 0;
  };
}
