// Who is at the table now, by random ids. Nobody knows while the stream is down.

export function presenceList() {
  let ids = null;
  return {
    /** A Set, or null. */
    get ids() {
      return ids;
    },
    forget: () => (ids = null),
    /** True if the list has changed. */
    receive({ event, data }) {
      const body = JSON.parse(data ?? "{}");
      if (event === "pusher_internal:subscription_succeeded") ids = new Set(body.presence?.ids ?? []);
      else if (event === "pusher_internal:member_added") ids?.add(body.user_id);
      else if (event === "pusher_internal:member_removed") ids?.delete(body.user_id);
      else return false;
      return true;
    },
    /** One client does what one client has to do. */
    isFirst: (player) => ids !== null && [...ids].sort()[0] === player,
  };
}
