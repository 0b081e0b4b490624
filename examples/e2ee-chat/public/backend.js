// The backend of this page: accounts, public keys, tokens.

/** `status` 0 means that nobody answered. `message` is a sentence for people. */
export class BackendError extends Error {
  constructor(status, sentence) {
    super(sentence);
    Object.assign(this, { name: "BackendError", status });
  }
}

export async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      ...(method === "GET" ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) }),
    });
  } catch {
    throw new BackendError(0, "The backend does not answer. Is it running?");
  }
  const answer = response.status === 204 ? undefined : await response.json().catch(() => undefined);
  if (!response.ok) throw new BackendError(response.status, answer?.error ?? `The backend answered ${response.status}.`);
  return answer;
}

/** `null` for a page that nobody has signed in to. */
export const whoAmI = async () => (await ask("GET", "/me")).account;
