// What this browser knows of people: their devices, and the first device that it has seen of each.

import { activeDevices, comparePin, pinOf, readDeviceLog, userOf } from "./devices.js";

const ASK_AGAIN_MS = 1500;

export class People {
  #known = new Map();
  #missed = new Map();
  #store;
  #request;
  #onChange;

  constructor({ store, request, onChange }) {
    this.#store = store;
    this.#request = request;
    this.#onChange = onChange;
  }

  /** `{ user, chain, chains, alert, offered, isVerified }`, or `null`: as kept here, else from the backend. */
  async load(user) {
    if (this.#known.has(user)) return this.#known.get(user);
    const kept = await this.#store.get(`logs/${user}`);
    return kept ? this.#take(user, kept) : this.refresh(user);
  }

  async refresh(user) {
    const { logs, pending, isKnown } = await this.#request("GET", `/people/${encodeURIComponent(user)}`);
    if (!isKnown || logs.length === 0) return isKnown ? { user, chain: null, pending: pending ?? [] } : null;
    const person = await this.#take(user, logs);
    person.pending = pending ?? [];
    return person;
  }

  async #take(user, logs) {
    const pin = (await this.#store.get(`pin/${user}`)) ?? null;
    const before = await this.#store.get(`logs/${user}`);
    const offered = await readDeviceLog(user, logs[0]);
    const state = comparePin(pin, offered);
    const isGood = ["new", "same", "longer"].includes(state);
    // What was seen before stays readable, also if the backend no longer shows it.
    const older = [...logs.slice(1), ...(isGood ? [] : (before ?? []))];
    const past = (await Promise.all(older.map((log) => readDeviceLog(user, log).catch(() => null)))).filter(Boolean);
    const trusted = isGood ? offered : past.find(({ root, hashes }) => root === pin.root && hashes[pin.n] === pin.hash) ?? null;
    const person = {
      user, chain: trusted, chains: [trusted, offered, ...past].filter(Boolean),
      alert: isGood ? null : state, offered: isGood ? null : offered, isVerified: isGood && pin?.isVerified === true, pending: [],
    };
    if (isGood) {
      await this.#store.put(`pin/${user}`, pinOf(offered, person.isVerified));
      await this.#store.put(`logs/${user}`, logs);
    }
    this.#known.set(user, person);
    this.#onChange(user);
    return person;
  }

  get(user) {
    return this.#known.get(user) ?? null;
  }

  /** The name that a person has signed. */
  nameOf(user) {
    return this.get(user)?.chain?.name ?? user;
  }

  /** True for keys that the backend offers as the person's, and that nobody has accepted here. */
  isOffered(user, root) {
    return this.get(user)?.offered?.root === root;
  }

  /** A press of this person: the new keys count from now on, as not compared. */
  async accept(user, root = this.get(user).offered.root) {
    const { offered } = this.get(user);
    if (offered?.root !== root) throw new Error("The keys changed once more. Compare them again.");
    const kept = (await this.#store.get(`logs/${user}`)) ?? [];
    await this.#store.put(`pin/${user}`, pinOf(offered));
    const { logs } = await this.#request("GET", `/people/${encodeURIComponent(user)}`);
    await this.#store.put(`logs/${user}`, [...logs, ...kept.filter((log) => !logs.some((other) => other[0].signature === log[0].signature))]);
    return this.#take(user, await this.#store.get(`logs/${user}`));
  }

  /** `root` was compared, and nothing else. */
  async verify(user, root) {
    const person = this.get(user);
    if (person.alert || person.chain.root !== root) throw new Error("The keys changed once more. Compare them again.");
    await this.#store.put(`pin/${user}`, pinOf(person.chain, true));
    person.isVerified = true;
    this.#onChange(user);
  }

  /** A device that chains to this first device. Asks the backend for one that is new, but not in a row. */
  deviceOf = async (id, root) => {
    const user = userOf(id);
    const find = (person) => {
      const chain = person?.chains?.find((one) => one.root === root);
      return chain?.devices.get(id) ?? null;
    };
    const found = find(await this.load(user).catch(() => null));
    if (found || this.#wasMissed(`${id} ${root}`)) return found;
    return find(await this.refresh(user));
  };

  #wasMissed(device) {
    const now = Date.now();
    for (const [known, at] of this.#missed) if (now - at >= ASK_AGAIN_MS) this.#missed.delete(known);
    if (this.#missed.has(device)) return true;
    this.#missed.set(device, now);
    return false;
  }

  /** All devices to seal to, or the person whose keys have to be looked at first. */
  async devicesFor(membership) {
    const devices = [];
    for (const [user, { root }] of membership.members) {
      const person = await this.load(user);
      if (!person?.chain || person.alert || person.chain.root !== root) return { halted: user };
      devices.push(...activeDevices(person.chain));
    }
    return { devices };
  }
}
