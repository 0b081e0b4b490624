// The only use of localStorage: how the pages look, and filters. No name, token or payload.

const NAMES = new Set(["theme", "filters", "columns"]);

export function readPref(name) {
  try {
    return JSON.parse(localStorage.getItem(`sealcast.${name}`)) ?? undefined;
  } catch {
    return undefined;
  }
}

export function writePref(name, value) {
  if (!NAMES.has(name)) throw new Error(`${name} is not kept`);
  try {
    if (value === undefined) localStorage.removeItem(`sealcast.${name}`);
    else localStorage.setItem(`sealcast.${name}`, JSON.stringify(value));
  } catch {
    // A browser that stores nothing: the choice lasts until the page is closed.
  }
}

/** pusher-js, on the screen Try it, notes how it connected. */
export function forgetTransport() {
  for (const kind of ["TLS", "NonTLS"]) {
    try {
      localStorage.removeItem(`pusherTransport${kind}`);
    } catch {
      // A browser that stores nothing.
    }
  }
}
