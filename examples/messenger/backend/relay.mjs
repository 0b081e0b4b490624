// Publishes what the database has taken. Sealcast may be away for a moment: rooms are then told again
// when it is back, and clients fetch the rows.

const RETRY_MS = 1000;
const MAX_WAITING = 10_000;

export function openRelay({ api }) {
  const waiting = new Set();
  let timer;

  /** Says only that there is something to fetch. */
  const nudge = (user, what) => send(`private-user-${user}`, "changed", JSON.stringify(what), `${user} ${JSON.stringify(what)}`);

  async function send(channel, name, data, again) {
    try {
      await api.trigger(channel, name, data);
    } catch {
      // The row is safe in the database.
      if (waiting.size < MAX_WAITING) waiting.add(again);
      timer ??= setTimeout(retry, RETRY_MS);
    }
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
    /** The head of a message is in the event's name, because its data has to be ciphertext alone. */
    async message(room, users, { row, id, at, body }) {
      const name = ["row", row, body.epoch, body.device, body.number, id, at].join(":");
      try {
        await api.trigger(`private-room-${room}`, name, body.sealed);
      } catch {
        for (const user of users) if (waiting.size < MAX_WAITING) waiting.add(`${user} ${JSON.stringify({ room })}`);
        timer ??= setTimeout(retry, RETRY_MS);
      }
    },
    mark: (room, user, { epoch, device, sealed }) => api.trigger(`private-room-${room}`, ["read", user, epoch, device].join(":"), sealed).catch(() => {}),
    stop: () => clearTimeout(timer),
  };
}
