// Waiting with a deadline: no test may hang, and each failure names the awaited event.

const DEADLINE_MS = 5_000;
const POLL_MS = 20;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The promise's value, or an error naming the missing event. `detail` is called only then. */
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

/** Polls `look` until it returns a truthy value, and returns that. */
export async function eventually(look, what, { ms = DEADLINE_MS, detail = () => '' } = {}) {
  const end = Date.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}${detail()}`);
    await sleep(POLL_MS);
  }
}
