// Which session a page has: that of a link, its own, or that of another tab.

/**
 * The session of a page that is opened, or `undefined`. `refused(error)` is called for a code that
 * is not taken: the session that there is goes on.
 */
export async function openSession({ api, key }, code, refused) {
  if (code !== undefined) {
    try {
      return await api.signIn({ code });
    } catch (error) {
      refused(error);
    }
  }
  return key.value !== undefined || (await key.adopt()) ? api.session() : undefined;
}

/** After a refusal: the cookie may now name the session that another tab began, with its key. */
export async function regainSession({ api, key }) {
  return (await key.adopt()) ? api.session().catch(() => undefined) : undefined;
}
