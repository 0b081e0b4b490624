// Publishes what the database has taken. Sealcast may be away for a moment: rooms are then told again
// when it is back, and clients fetch the rows.

const RETRY_MS = 1000;
const MAX_WAITING = 10_000;

export function openRelay({ api }) {
  const waiting = new Set();
  /** By room: the publication that is on its way. */
  const last = new Map();
  let timer;

  /** Says only that there is something to fetch. */
  const nudge = (user, what) => send(`private-user-${user}`, "changed", JSON.stringify(what), `${user} ${JSON.stringify(what)}`);

  async function send(channel, name, data, again) {
    try {
      await api.trigger(channel, name, data);
    } catch {
      tellLater(again);
    }
  }

  /** The row is safe in the database. */
  function tellLater(what) {
    if (waiting.size < MAX_WAITING) waiting.add(what);
    timer ??= setTimeout(retry, RETRY_MS);
  }

  async function retry() {
    timer = undefined;
    const all = [...waiting];
    waiting.clear();
    for (const item of all) {
      const [user] = item.split(" ", 1);
      await nudge(user, JSON.parse(item.slice(user.length + 1)));
    }
  }

  return {
    nudge,
    nudgeAll: (users, what) => Promise.all([...new Set(users)].map((user) => nudge(user, what))),
    /**
     * One after the other, so that rows arrive in order. The sender does not wait for it: the row is
     * in the database.
     */
    message(room, users, row) {
      const done = (last.get(room) ?? Promise.resolve()).then(() => publish(room, users, row));
      last.set(room, done);
      done.then(() => last.get(room) === done && last.delete(room));
    },
    mark: (room, user, { epoch, device, sealed }) => api.trigger(`private-room-${room}`, ["read", user, epoch, device].join(":"), sealed).catch(() => {}),
    stop: () => clearTimeout(timer),
  };

  /** The head of a message is in the event's name, because its data has to be ciphertext alone. */
  async function publish(room, users, { row, id, at, body }) {
    const name = ["row", row, body.epoch, body.device, body.number, id, at].join(":");
    try {
      await api.trigger(`private-room-${room}`, name, body.sealed);
    } catch {
      for (const user of users) tellLater(`${user} ${JSON.stringify({ room })}`);
    }
  }
}
