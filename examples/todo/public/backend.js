// The page's own backend. Its refusals are sentences for people.

export class BackendError extends Error {
  constructor(status, { error, code } = {}) {
    super(error ?? (status === 0 ? "The backend does not answer. Start it again; this page waits." : `The backend answered ${status}.`));
    Object.assign(this, { name: "BackendError", status, code });
  }
}

export async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new BackendError(0);
  }
  const answer = response.status === 204 ? undefined : await response.json().catch(() => ({}));
  if (!response.ok) throw new BackendError(response.status, answer);
  return answer;
}
