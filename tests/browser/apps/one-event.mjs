// Without a browser: a fake of the server's client API with one event, and pages with a snapshot on it.

import { openSnapshot } from "../../../examples/lib/snapshot.js";

/** A fake server with one event, as the client API has it. */
export function oneEvent() {
  let event = null;
  let count = 0;
  return {
    async last() {
      return event ? { status: "event", event: { data: event.data }, position: event.position } : { status: "empty" };
    },
    async publish(channel, name, data, { ifMatch, ifNoneMatch }) {
      if (ifNoneMatch ? event !== null : ifMatch !== event?.position) return { ok: false, position: event?.position ?? null };
      event = { data, position: `p${++count}` };
      return { ok: true, position: event.position };
    },
    /** `null`: it has expired. */
    replace: (data) => (event = data === null ? null : { data, position: `x${++count}` }),
    get event() {
      return event;
    },
  };
}

/** A list of items that several pages change. */
export const openOn = (client) => openSnapshot({
  client, channel: "c", name: "client-state", empty: () => ({ items: [] }), seal: async (value) => JSON.stringify(value), open: async (text) => JSON.parse(text),
});
export const add = (item) => (state) => ({ items: [...state.items, item] });
