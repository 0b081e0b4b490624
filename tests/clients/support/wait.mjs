// Waiting with a deadline: nothing in these tests may hang, and every failure says what was awaited.

const DEADLINE_MS = 5_000;
const POLL_MS = 20;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The promise's value, or an error naming what did not happen in time. `detail` is asked only then. */
export async function within(promise, what, { ms = DEADLINE_MS, detail = () => '' } = {}) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}${detail()}`)), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks again and again until `look` gives something truthy, and returns that. */
export async function eventually(look, what, { ms = DEADLINE_MS, detail = () => '' } = {}) {
  const end = Date.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}${detail()}`);
    await sleep(POLL_MS);
  }
}
