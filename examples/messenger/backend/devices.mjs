// Devices: signed logs and devices that wait. The backend checks what it stores, but nobody relies on that.

import { Refusal } from "../../lib/http.mjs";
import { bodyOf, Broken } from "../public/chain.js";
import { readDeviceLog, userOf } from "../public/devices.js";

const MAX_ENTRIES = 50;
/** Each stays, because older rows are checked against it. */
const MAX_LISTS = 50;
const MAX_PENDING = 5;

export function openDevices({ database }) {
  const generationOf = (user) => database.get("SELECT MAX(generation) AS g FROM device_log WHERE user = ?", user)?.g ?? 0;

  function logOf(user, generation = generationOf(user)) {
    return database.all("SELECT entry FROM device_log WHERE user = ? AND generation = ? ORDER BY n", user, generation)
      .map(({ entry }) => JSON.parse(entry));
  }

  /** Newest list first: older ones still verify what was written under them. */
  const logsOf = (user) => Array.from({ length: generationOf(user) }, (_, i) => logOf(user, generationOf(user) - i));

  const pendingOf = (user) => database.all("SELECT device FROM pending WHERE user = ?", user).map(({ device }) => JSON.parse(device));

  /** `isRestart`: all older devices are lost; the list begins anew, and others are warned of the new keys. */
  async function append(user, entry, isRestart) {
    const before = isRestart ? [] : logOf(user);
    if (before.length >= MAX_ENTRIES) throw new Refusal(409, "This list of devices is full.");
    const generation = generationOf(user) + (before.length === 0 ? 1 : 0);
    if (generation > MAX_LISTS) throw new Refusal(409, "This list of devices was begun anew too often.");
    const chain = await readDeviceLog(user, [...before, entry]).catch(asRefusal);
    database.together(() => {
      if (generationOf(user) + (before.length === 0 ? 1 : 0) !== generation) throw new Refusal(409, "Another device was faster.", { code: "order" });
      const { changes } = database.run("INSERT OR IGNORE INTO device_log (user, generation, n, entry) VALUES (?, ?, ?, ?)",
        user, generation, entry.n, JSON.stringify(entry));
      if (changes === 0) throw new Refusal(409, "Another device was faster.", { code: "order" });
      for (const { id } of chain.devices.values()) database.run("DELETE FROM pending WHERE user = ? AND id = ?", user, id);
    });
    return chain;
  }

  function wait(user, device) {
    const { id, name, agree, sign } = device ?? {};
    if (userOf(id) !== user || [id, name, agree, sign].some((part) => typeof part !== "string" || part.length > 120)) {
      throw new Refusal(400, "This device cannot be read.");
    }
    if (pendingOf(user).length >= MAX_PENDING) database.run("DELETE FROM pending WHERE user = ?", user);
    database.run("INSERT OR REPLACE INTO pending (user, id, device) VALUES (?, ?, ?)", user, id, JSON.stringify({ id, name, agree, sign }));
  }

  const refuse = (user, id) => database.run("DELETE FROM pending WHERE user = ? AND id = ?", user, String(id));

  async function deviceOf(id, root) {
    for (const entries of logsOf(userOf(id))) {
      const chain = await readDeviceLog(userOf(id), entries);
      if (chain.root === root) return chain.devices.get(id) ?? null;
    }
    return null;
  }

  /** True if a list of this person began with this device. */
  const knows = (user, root) => database.all("SELECT entry FROM device_log WHERE user = ? AND n = 1", user)
    .some(({ entry }) => bodyOf(JSON.parse(entry)).device.sign === root);

  return { knows, logOf, logsOf, pendingOf, append, wait, refuse, deviceOf };
}

export function asRefusal(error) {
  if (error instanceof Broken) throw new Refusal(422, error.message, { code: error.code });
  throw error;
}
