// When the server was last heard: ages and uptimes on the screen count from there.

/** Watched figures are old when the socket has been silent for this long. */
const OLD_MS = 3_000;

/** In milliseconds since 1970; 0 before the first answer. */
export const heardAt = ({ socket, api }) => Math.max(socket.heard, api.heard);

/** For what the screen shows: a screen with a watch lives on the socket, others on requests. */
const shownAt = (host) => (host.page.isWatching && host.socket.heard) || heardAt(host);

/** Seconds since what is on the screen came, or `undefined` before the first answer. */
export function ageOfScreen(host) {
  const at = shownAt(host);
  return at ? (Date.now() - at) / 1000 : undefined;
}

/** Whether the figures on the screen are no longer of now. */
export function isOld(host) {
  const { store, socket, api, page } = host;
  if (store.session === undefined || socket.state === "open") return false;
  // Requests may be answered where the socket is not.
  return (page.isWatching || api.isAway || socket.state === "idle") && Date.now() - shownAt(host) > OLD_MS;
}

/** Seconds for which the server ran, as far as it is known: it may have ended since. */
export const uptime = (host, started) => Math.max(0, heardAt(host) / 1000 - started);
