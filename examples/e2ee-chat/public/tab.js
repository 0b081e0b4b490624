// One tab holds the chat: sessions live in its memory, so two tabs would be two people with one name.

/** Resolves with true, or with false if another tab holds it. `onLost` runs when a tab takes it over. */
export function holdChat(userId, { steal = false, onLost }) {
  return new Promise((resolve) => {
    const options = steal ? { steal: true } : { ifAvailable: true };
    navigator.locks.request(`chat:${userId}`, options, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    }).catch((error) => {
      if (error.name === "AbortError") onLost();
      else throw error;
    });
  });
}

/** Runs once the other tab is closed. Returns a function that stops waiting. */
export function whenFree(userId, run) {
  const stopping = new AbortController();
  navigator.locks.request(`chat:${userId}`, { signal: stopping.signal }, () => {}).then(run, () => {});
  return () => stopping.abort();
}
