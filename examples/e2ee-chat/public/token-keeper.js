// The token of this page, renewed at half its life. A failed renewal is tried again, less and less often, also after the end.

const RETRY_MS = [2000, 60_000];

/**
 * `ask()` resolves with `{ token, seconds }`; `onRenewed()` uses the new token where the old one was
 * used. `onTrouble(trouble)` gets `{ sentence, leftMs }`, or `null` once all is well. Errors with a
 * `status` of `final` are not tried again: `onFinal(error)`. `clock` is that of the conversations.
 */
export function keepToken({ ask, clock, final, onRenewed, onTrouble, onFinal }) {
  let token = null;
  let endsAt = 0;
  let asking = null;
  let cancel = () => {};
  let failures = 0;
  let isClosed = false;

  function plan(ms) {
    cancel();
    if (!isClosed) cancel = clock.after(ms, renew);
  }

  function fresh() {
    asking ??= ask().then((answer) => {
      token = answer.token;
      endsAt = clock.now() + answer.seconds * 1000;
      plan(answer.seconds * 500);
      onTrouble(null);
      return token;
    }).finally(() => (asking = null));
    return asking;
  }

  /** Ahead of the end: the newest answer of the auth endpoint counts. */
  async function renew() {
    cancel();
    try {
      await fresh();
      await onRenewed();
      failures = 0;
    } catch (error) {
      if (isClosed) return;
      if (final.includes(error.status)) return onFinal(error);
      const [least, most] = RETRY_MS;
      plan(Math.min(most, least * 2 ** failures++) * (0.8 + Math.random() * 0.4));
      onTrouble({ sentence: error.message, leftMs: Math.max(0, endsAt - clock.now()) });
    }
  }

  return {
    renew,
    current: async () => token ?? fresh(),
    /** It was refused, or has ended. */
    drop: () => (token = null),
    close() {
      isClosed = true;
      cancel();
    },
  };
}
