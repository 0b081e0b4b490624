// The own seat. The server, or anybody with the link, can bring back a table without it: then it is taken again.

import { NO_CARD } from "./deck.js";
import { applyChange, seatOf } from "./table.js";

const LEAST_MS = 3000;

export function seatKeeper({ session, player, change }) {
  let last = -LEAST_MS;

  const wanted = () => ({ kind: "sit", player, name: session.get("name"), watches: Number(session.get("watches")) });

  /** The changes that a table lacks: the seat, and the card of this round. */
  function lacking(table) {
    // Also the one who is just leaving.
    if (!session.get("name") || table.closed) return [];
    const own = seatOf(table, player);
    const [round, card] = (session.get("card") ?? "").split(" ");
    const { watches, card: laid } = own ?? { ...wanted(), card: NO_CARD };
    const isLost = !watches && laid === NO_CARD && Number(round) === table.round && card;
    return [...(own ? [] : [wanted()]), ...(isLost ? [{ kind: "vote", player, round: table.round, card }] : [])];
  }

  return {
    sit(name, watches) {
      session.put("name", name);
      session.put("watches", String(watches));
      return change(wanted());
    },
    vote(round, card) {
      session.put("card", `${round} ${card}`);
      return change({ kind: "vote", player, round, card });
    },
    /** `table` is the page's, with all that still waits. */
    mend(table) {
      const changes = lacking(table);
      // A full table takes nobody, however often one asks.
      const isUseless = JSON.stringify(changes.reduce(applyChange, structuredClone(table))) === JSON.stringify(table);
      if (isUseless || performance.now() - last < LEAST_MS) return;
      last = performance.now();
      changes.forEach(change);
    },
  };
}
