// One list on this page: its snapshot, what waits to be sent, its line, and its lock.
//
// `room.model` is all that the view shows; `onChange` runs after each change of it.

import { openSnapshot } from "../../lib/snapshot.js";
import { DoesNotOpen } from "../../lib/crypto.js";
import { ask } from "./backend.js";
import { applyAll, differences, emptyList, newId } from "./changes.js";
import { Dropped, HeadChanged, Locked, makeCodec, Nothing, makeOutboxSeal } from "./codec.js";
import { openConnection } from "./connection.js";
import { newLock, unlock, WeakHead } from "./envelope.js";
import { openOutbox } from "./outbox.js";

const NAME = "client-list";
const RECENT = 20;
const FRESH_MS = 12_000;
const LOOK_AGAIN_MS = 1500;
const RETRY_MS = 3000;
/** A line that swallows requests must not hold the outbox for ever. */
const ANSWER_MS = 20_000;

export async function openRoom({ id, config, me, device, store, onChange, onFrame }) {
  const model = {
    list: await ask("GET", `/lists/${id}`), me, line: "loading", isLoaded: false, lock: null, error: null, people: [],
    fresh: new Set(), away: 0, notes: new Set(), get waiting() { return outbox.changes.length; },
  };
  let lock = (await store.get(`lock:${id}`)) ?? null;
  let codec;
  let snapshot;
  let connection;
  let frame = null;
  let stateAtCut = null;
  let flushing = null;
  let isSwitching = false;
  let moving = Promise.resolve();
  // The newest frame on the server is not the newest version of the list.
  let mustWriteBack = false;
  let timers = [];
  // Batches that the server took a moment ago: a switch of layers on another device may have missed them.
  let recent = [];
  const outboxSeal = makeOutboxSeal(id, () => lock);
  const outbox = openOutbox({ store, list: id, ...outboxSeal, onChange: () => onChange(), onAdopt: () => flush() });

  const later = (work, ms) => timers.push(setTimeout(work, ms));
  const note = (name) => {
    model.notes.add(name);
    mustWriteBack = ["spoiled", "older"].includes(name);
  };

  /* ---- opening and moving ------------------------------------------------------------------ */

  /** Begins in the place that the layers name; `seed` is the newest version known. */
  async function enter(seed) {
    const { layers } = model.list;
    codec = makeCodec({ isLocked: layers.passphrase, lock, onSpoiled: () => note("spoiled") });
    connection = openConnection({
      config,
      askPass: () => ask("POST", `/lists/${id}/pass`, device),
      onFrame,
      onEvent: receive,
      onGap: gap,
      onState: lineState,
      onPeople: (people) => {
        model.people = people;
        onChange();
      },
      onMoved: (revision) => {
        // A switch of this page moves by itself when all is written.
        if (revision !== model.list.revision && !isSwitching) move().catch(fail);
      },
    });
    const mine = connection;
    if (seed) codec.note(seed);
    await outbox.adopt();
    onChange();
    try {
      await connection.start();
    } catch (error) {
      // The backend is away, or has refused: the line comes back by itself, or says why not.
      if (mine === connection) lineState("waiting", error);
      if (![401, 403].includes(error.status)) later(() => mine === connection && enter(seed), RETRY_MS);
      return;
    }
    if (mine !== connection) return;
    snapshot = openSnapshot({
      client: watched(connection.client()), channel: connection.pass.channel, name: NAME, seal: codec.seal, open: codec.open, empty: emptyList,
    });
    // Without the passphrase this page cannot go on with what it knew.
    if (seed) await codec.seal(seed).then((text) => snapshot.receive(text, null)).catch(() => {});
    await load();
  }

  /** Another device has switched a layer, or this one. */
  function move(seed) {
    moving = moving.catch(() => {}).then(() => moveNow(seed === undefined ? codec.latest : seed));
    return moving;
  }

  async function moveNow(seed) {
    connection.close();
    model.list = await ask("GET", `/lists/${id}`);
    model.isLoaded = false;
    model.lock = null;
    await enter(seed);
    onChange();
  }

  async function forgetLock() {
    lock = null;
    await store.delete(`lock:${id}`);
    await outbox.keep();
  }

  /** An older version than the one known was given as the newest: somebody plays old frames. */
  function watched(client) {
    const { closing } = connection;
    const signal = () => AbortSignal.any([closing, AbortSignal.timeout(ANSWER_MS)]);
    return {
      ...client,
      publish: (to, name, data, options) => client.publish(to, name, data, { ...options, signal: signal() }),
      async last(from) {
        const known = codec.latest?.version ?? 0;
        const answer = await client.last(from, { signal: signal() });
        if (answer.status !== "event") return answer;
        frame = answer.event.data;
        const found = await codec.open(frame).catch(() => null);
        if (found && found.version < known) note("older");
        return answer;
      },
    };
  }

  async function load() {
    const mine = connection;
    try {
      await snapshot.load();
      if (mine !== connection) return;
      model.lock = null;
      // The server has lost it, or a switch is in the midst: whoever holds the list writes it back.
      if (snapshot.position === null && snapshot.version > 0) await snapshot.writeBack();
      if (model.list.layers.passphrase && !lock) throw new Nothing();
      if (!model.list.layers.passphrase && lock) throw new Dropped();
      model.isLoaded = true;
      model.error = null;
      countAway();
      await outbox.adopt();
      onChange();
      for (const batch of recent) await snapshot.change(batch.id, (state) => applyAll(state, batch.changes));
      if (mustWriteBack) await snapshot.change(newId(), (state) => state);
      mustWriteBack = false;
      keep();
      onChange();
      await flush();
    } catch (error) {
      if (mine === connection) fail(error);
    }
  }

  /* ---- what comes -------------------------------------------------------------------------- */

  async function receive({ event, data }) {
    if (event !== NAME || !snapshot) return;
    frame = data;
    const before = shown();
    try {
      const state = await snapshot.receive(data, null);
      if (state === null) return lookAgain();
      model.isLoaded = true;
      keep();
      glow(differences(before, state).filter(({ by }) => by.id !== me.id));
      onChange();
      flush();
    } catch (error) {
      fail(error);
    }
  }

  /** An old event is an echo, or a replayed frame: the newest one on the server tells. */
  let again;
  function lookAgain() {
    clearTimeout(again);
    again = setTimeout(() => model.isLoaded && load(), LOOK_AGAIN_MS);
  }

  function glow(items) {
    if (items.length === 0) return;
    for (const { id: item } of items) model.fresh.add(item);
    later(() => {
      for (const { id: item } of items) model.fresh.delete(item);
      onChange();
    }, FRESH_MS);
  }

  function gap({ channel, reason }) {
    if (channel !== connection.pass?.channel) return;
    // A page that shows nothing yet has missed nothing.
    if (model.isLoaded && !["cleared", "sealed"].includes(reason)) note("gap");
    if (snapshot) load();
  }

  function countAway() {
    if (!stateAtCut) return;
    const missed = differences(stateAtCut, snapshot.state).filter(({ by }) => by.id !== me.id);
    stateAtCut = null;
    // The line may be cut again before anybody has read of the first time.
    model.away += missed.length;
    glow(missed);
  }

  /* ---- what goes --------------------------------------------------------------------------- */

  /** Resolves when nothing waits any more, or when sending has failed. */
  function flush() {
    if (!model.isLoaded || model.lock) return Promise.resolve();
    const mine = connection;
    flushing ??= send(mine).finally(() => {
      flushing = null;
      // The list moved meanwhile: what is left goes to its new place.
      if (mine !== connection) flush();
    });
    return flushing;
  }

  async function send(mine) {
    try {
      for (let batch = outbox.next(); batch && mine === connection; batch = outbox.next()) {
        const { changes } = batch;
        await snapshot.change(batch.id, (state) => applyAll(state, changes));
        recent = [...recent, batch].slice(-RECENT);
        await outbox.done();
        await keep();
        await copy();
        model.error = null;
        onChange();
      }
    } catch (error) {
      if (mine === connection) fail(error);
    }
  }

  /** For the next visit, and to notice an older version. */
  async function keep() {
    if (!codec.latest) return;
    const { version } = codec.latest;
    await store.put(`cache:${id}`, { version, text: await codec.seal(codec.latest) }).catch(() => {});
  }

  async function copy() {
    if (model.list.layers.disk || !codec.latest) return;
    await ask("PUT", `/lists/${id}/copy`, { text: await codec.seal(codec.latest) }).catch(() => {});
  }

  /* ---- what fails -------------------------------------------------------------------------- */

  function lineState(state, error) {
    if (state === "live") {
      const wasAway = model.line !== "live" && model.isLoaded;
      model.line = "live";
      if (wasAway) load();
      else if (snapshot && !model.isLoaded && !model.lock) load();
    } else {
      stateAtCut ??= snapshot?.state ?? null;
      model.people = [];
      const isRefused = [401, 403].includes(error?.status) && error.code !== "revoked";
      model.line = isRefused ? "refused" : navigator.onLine ? "reconnecting" : "offline";
      if (isRefused) model.error = error;
      // Without a line a closed tab's changes would be seen nowhere.
      outbox.adopt();
    }
    onChange();
  }

  function fail(error) {
    const kinds = [[Locked, "missing"], [HeadChanged, "changed"], [WeakHead, "weak"],
      [Dropped, "dropped"], [Nothing, "nothing"], [DoesNotOpen, "spoiled"]];
    const [, kind] = kinds.find(([type]) => error instanceof type) ?? [];
    if (kind) {
      Object.assign(model, { lock: kind, isLoaded: false, error });
    } else if (error.status === 401 || (error.status === 403 && ["revoked", "token_revoked"].includes(error.code))) {
      connection.reopen();
    } else if (error.status === 0 || error.status === 503 || error.status === undefined) {
      if (error.status === undefined && error.name !== "TimeoutError") model.error = error;
      later(() => (model.isLoaded ? flush() : snapshot && load()), RETRY_MS);
    } else {
      model.error = error;
    }
    onChange();
  }

  const shown = () => applyAll(snapshot?.state ?? codec?.latest?.state ?? emptyList(), outbox.changes);

  const cached = await store.get(`cache:${id}`);
  let seed = null;
  // Also from before a switch: a page that ended in the midst of one may hold the only version.
  if (cached) {
    const old = makeCodec({ isLocked: model.list.layers.passphrase, lock, onSpoiled: () => {} });
    seed = await old.open(cached.text).catch(() => null);
  }

  const network = () => (navigator.onLine ? model.line !== "live" && connection.reopen() : lineState("waiting"));
  for (const event of ["online", "offline"]) window.addEventListener(event, network);

  return {
    model,
    shown,
    /** Ids of items whose last change no server has yet. */
    waitingItems: () => outbox.changes.map(({ item }) => item?.id ?? item),
    enter: () => enter(seed),
    get snapshot() { return snapshot; },
    get codec() { return codec; },
    get connection() { return connection; },
    get frame() { return frame; },
    get lock() { return lock; },
    change(change) {
      model.away = 0;
      outbox.add(change);
      flush();
    },
    retry: () => connection.reopen(),
    load,
    flush,
    copy,
    move,
    /** While this page switches a layer, it does not follow the news of it. */
    async switching(work) {
      isSwitching = true;
      try {
        return await work();
      } finally {
        isSwitching = false;
      }
    },
    /** False for a wrong passphrase: nothing is written. */
    async unlock(passphrase) {
      const found = await unlock(id, passphrase, frame).catch((error) => {
        if (error instanceof DoesNotOpen) return null;
        fail(error);
        throw error;
      });
      if (!found) return false;
      await keepLock(found);
      await move(null);
      return true;
    },
    newLock: (passphrase) => newLock(id, passphrase),
    setLock: (next) => keepLock(next),
    forgetLock,
    /** The person agrees that the list has no passphrase any more. */
    async goOnOpen() {
      await forgetLock();
      await move();
    },
    close() {
      connection?.close();
      outbox.close();
      timers.forEach(clearTimeout);
      clearTimeout(again);
      for (const event of ["online", "offline"]) window.removeEventListener(event, network);
    },
  };

  async function keepLock(next) {
    lock = next;
    await store.put(`lock:${id}`, next);
    await outbox.keep();
  }
}
