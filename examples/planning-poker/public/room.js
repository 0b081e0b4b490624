// A room from the inside: the snapshot, the stream, polling in its place, and what waits to be sent.

import { openFetchStream } from "../../lib/fetch-stream.js";
import { openClient, pollLast } from "../../lib/publish.js";
import { openSnapshot } from "../../lib/snapshot.js";
import { absence } from "./absence.js";
import { openOutbox } from "./outbox.js";
import { presenceList } from "./presence.js";
import { applyChange, checkTable, emptyTable, isTooLate } from "./table.js";
import { roomTokens } from "./tokens.js";
import { rememberWrites } from "./written.js";

const EVENT = "client-state";
const POLL_MS = 5000;
const SEND_AGAIN_MS = [1000, 15_000];
const SETTLE_MS = 700;
const LOST = [0, 408, 429, 500, 502, 503, 504];

export function openRoom({ config, keys, session, player, newId, onChange, onFrame, onNote }) {
  const channel = `private-cache-pp-${keys.room}`;
  const presenceChannel = `presence-pp-${keys.room}`;
  const token = roomTokens(keys.room, player);
  const client = openClient({ url: config.client, token, onFrame, tries: 2 });
  const presence = presenceList();
  const outbox = openOutbox({ session, keys, newId, onChange: () => changed() });
  const away = absence({ session, awayMs: config.awayMs });
  const written = rememberWrites();
  const snapshot = openSnapshot({
    client, channel, name: EVENT, empty: emptyTable,
    seal: async (value) => {
      last = { value, sealed: await keys.seal(value) };
      return last.sealed;
    },
    open: async (sealed) => {
      const value = await keys.open(sealed);
      checkTable(value.state);
      if (value.version >= snapshot.version && !isEnded) meet(value, sealed);
      return value;
    },
  });
  /** The snapshot that was sealed last, as it was and as it travels. */
  let last;
  let line = { state: "loading" };
  let isLoaded = false;
  let isOpen = false;
  let isShut = false;
  /** The server lost the table while this tab was away: perhaps it was closed, and a person has to say. */
  let isInDoubt = false;
  let isStarted = false;
  let isEnded = false;
  /** The version at which the line was lost, and how many of the later ones are this tab's. */
  let awaySince = null;
  let ownWrites = 0;
  let stopPolling = null;
  let sending = null;
  let sendTimer;
  let settleTimer;
  let failures = 0;
  let lastEventAt = performance.now();
  let stream;

  function changed() {
    if (isEnded) return;
    const next = outbox.applyTo(structuredClone(snapshot.state));
    // Closed is what the server has: a closing that still waits may never arrive.
    const table = next.closed ? snapshot.state : next;
    onChange({
      table, here: presence.ids, isLoaded, isShut, isInDoubt, version: snapshot.version,
      waiting: outbox.count, waitingSealed: outbox.sealed,
      line: { ...line, retryAt: stream?.retryAt },
    });
    if (snapshot.state.closed) end();
  }

  function setLine(state, details = {}) {
    line = { state, ...details };
    changed();
  }

  /* ---- receiving -------------------------------------------------------------------------- */

  /** The newest table, or another one of the same version, which then goes on in its place. */
  function meet(value, sealed) {
    session.put("table", sealed);
    if (!isStarted) return;
    away.met();
    isInDoubt = false;
    const lost = written.takeLost(value.applied, outbox.changes);
    if (lost.length > 0 && !value.state.closed) outbox.addAgain(lost).then(send);
  }

  /** False if somebody may have closed the table while this tab was away: nothing is written then. */
  async function mayWrite() {
    if (!isInDoubt && (snapshot.version === 0 || !away.isLong())) return true;
    const answer = await client.last(channel);
    if (answer.status === "event") await snapshot.receive(answer.event.data, answer.position).catch(() => {});
    // A table that was as new as this tab's has ended the absence.
    isInDoubt = away.isLong();
    changed();
    return !isInDoubt;
  }

  async function take(sealed, position) {
    lastEventAt = performance.now();
    try {
      const state = await snapshot.receive(sealed, position);
      isShut = false;
      // An older one in its place: replayed, or written back by somebody who had missed the newest.
      if (state === null) settleSoon();
      isLoaded = true;
      changed();
    } catch {
      noteShut();
      if (snapshot.version > 0) settleSoon();
    }
  }

  /** The server has nothing, an older table or a broken one: whoever has the newest puts it back. */
  async function settle() {
    clearTimeout(settleTimer);
    if (isEnded) return;
    try {
      if (!(await mayWrite()) || isEnded) return;
      const hadOne = snapshot.version > 0 && !snapshot.state.closed;
      const isBack = hadOne ? await snapshot.writeBack() : (await snapshot.load(), false);
      away.met();
      if (isBack) onNote("back");
      isLoaded = true;
      tellAway();
      changed();
      send();
    } catch (error) {
      report(error);
    }
  }

  function settleSoon() {
    clearTimeout(settleTimer);
    settleTimer = setTimeout(settle, SETTLE_MS * (0.3 + Math.random()));
  }

  function report(error) {
    if (isEnded) return;
    if (error.name === "DoesNotOpen" || error instanceof TypeError) noteShut();
    else if (LOST.includes(error.status)) sendSoon();
    else setLine("refused", { sentence: error.message, code: error.code });
  }

  /** Sealed with another key, altered, or of a form that this page does not know. */
  function noteShut() {
    isShut = snapshot.version === 0;
    onNote("shut", { isKnown: !isShut });
    changed();
  }

  function leaveLine() {
    presence.forget();
    if (awaySince !== null) return;
    awaySince = snapshot.version;
    ownWrites = 0;
  }

  function tellAway() {
    if (awaySince === null) return;
    const missed = snapshot.version - awaySince - ownWrites;
    awaySince = null;
    if (missed > 0) onNote("missed", { count: missed });
  }

  function onState(state, detail) {
    if (["open", "waiting", "paused", "refused"].includes(state)) isOpen = state === "open";
    if (state === "open") {
      stopPolling?.();
      stopPolling = null;
      failures = 0;
      setLine("live");
      settle();
    } else if (state === "waiting") {
      down(detail);
    } else if (state === "paused") {
      leaveLine();
      setLine("live");
    } else if (state === "refused") {
      setLine("refused", { sentence: detail.message, code: detail.code });
    } else if (detail?.channel === presenceChannel && presence.receive(detail)) {
      changed();
    }
  }

  function down(error) {
    leaveLine();
    if (line.state !== "polling") setLine(lost(), { sentence: error?.message });
    else changed();
    stopPolling ??= pollLast(client, channel, {
      every: POLL_MS,
      onEvent: (event, position) => take(event.data, position),
      onAnswer: (status) => {
        const isFirst = line.state !== "polling";
        if (isFirst) setLine("polling");
        if (isFirst || (status === "empty" && snapshot.version > 0)) settle();
      },
      onError: (failed) => {
        if (LOST.includes(failed.status)) setLine(lost());
        else report(failed);
      },
    });
  }

  const lost = () => (navigator.onLine ? "reconnecting" : "offline");

  /* ---- sending ---------------------------------------------------------------------------- */

  function send() {
    clearTimeout(sendTimer);
    sending ??= sendAll().then((isDone) => {
      sending = null;
      // One that was added at the very end.
      if (isDone && outbox.count > 0 && !isEnded) return send();
    });
    return sending;
  }

  async function sendAll() {
    for (let batch = outbox.next(); batch && !isEnded; batch = outbox.next()) {
      const { ids, changes } = batch;
      let isLate;
      const apply = (next, fresh) => {
        isLate = false;
        return changes.filter((_, i) => fresh.includes(ids[i])).reduce((table, change) => {
          // At its turn: the round may end within the batch. Of two cards the later one counts.
          if (change.kind === "vote") isLate = isTooLate(table, change);
          return applyChange(table, change);
        }, next);
      };
      try {
        if (!(await mayWrite()) || isEnded) return false;
        await snapshot.change(ids, apply);
        // Left, or closed by its own echo: nothing may be kept any more.
        if (isEnded) return true;
        session.put("table", last.sealed);
        away.met();
        written.add(ids, changes, last.value.applied);
      } catch (error) {
        report(error);
        return false;
      }
      failures = 0;
      ownWrites += 1;
      outbox.done();
      // Another card may have been laid since.
      if (isLate && !outbox.changes.some(({ kind }) => kind === "vote")) onNote("late");
      if (line.state === "refused") setLine(isOpen ? "live" : lost());
    }
    return true;
  }

  function sendSoon() {
    const [least, most] = SEND_AGAIN_MS;
    clearTimeout(sendTimer);
    sendTimer = setTimeout(send, Math.min(most, least * 2 ** failures++) * (0.5 + Math.random()));
  }

  /* ---- life ------------------------------------------------------------------------------- */

  async function renewIfQuiet() {
    // The first of the list; the others in case it is a tab that sleeps.
    const after = presence.isFirst(player) ? config.renewMs : config.renewMs * 1.2;
    if (isOpen) away.tick();
    if (line.state !== "live" || away.isLong() || performance.now() - lastEventAt < after) return;
    lastEventAt = performance.now();
    await snapshot.renew().catch(report);
  }
  const renewal = setInterval(renewIfQuiet, Math.min(60_000, config.renewMs / 4, config.awayMs / 4));

  function end() {
    if (isEnded) return;
    isEnded = true;
    [sendTimer, settleTimer].forEach(clearTimeout);
    clearInterval(renewal);
    stopPolling?.();
    stream?.close();
  }

  async function start() {
    await outbox.restore();
    const kept = session.get("table");
    // A newer one than the server's may be here: it must not be lost, nor rolled back.
    if (kept) await snapshot.receive(kept).catch(() => {});
    isStarted = true;
    isLoaded = snapshot.version > 0;
    changed();
    stream = openFetchStream({
      url: config.client, channels: [channel, presenceChannel], token, onState, onFrame,
      onEvent: (event) => event.channel === channel && take(event.data, event.position),
      onGap: () => {
        onNote("gap");
        settle();
      },
    });
  }

  return {
    start,
    end,
    retry() {
      stream?.retry();
      if (!isOpen || line.state !== "refused") return;
      // Not the stream, but a write or a reading was refused.
      setLine("live");
      settle();
    },
    get table() {
      return snapshot.state;
    },
    get here() {
      return presence.ids;
    },
    change(change) {
      const added = outbox.add(change);
      send();
      return added;
    },
    /** A person has decided that the table was not closed. */
    putBack() {
      away.met();
      isInDoubt = false;
      // Not by a renewal: the page says that it was put back.
      lastEventAt = performance.now();
      return settle();
    },
    /** Resolves when all that waits has reached the server, or failed to. */
    flush: () => send(),
  };
}
