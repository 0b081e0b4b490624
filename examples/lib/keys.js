// Keys and small values in IndexedDB. Nothing here throws for a full or forbidden storage: the
// value stays in this page's memory, and the state says so.

const STORE = "values";
/** A browser that does not open its storage by then is taken as one that forbids it. */
const OPEN_MS = 10_000;

export async function openKeyStore(name, { onState = () => {} } = {}) {
  const memory = new Map();
  let state = "kept";
  let database;

  function become(next) {
    if (next === state) return;
    state = next;
    onState(state);
  }

  const fail = (error) => become(error?.name === "QuotaExceededError" ? "full" : "forbidden");

  try {
    database = await connect(name);
    // Another tab with a newer page, or a browser that clears its data, closes it.
    database.onversionchange = () => database.close();
  } catch (error) {
    fail(error);
  }

  async function read(ask, otherwise) {
    if (!database) return otherwise;
    try {
      return await finished(ask(database.transaction(STORE).objectStore(STORE)));
    } catch (error) {
      fail(error);
      return otherwise;
    }
  }

  async function write(change) {
    if (!database) return false;
    try {
      const transaction = database.transaction(STORE, "readwrite");
      change(transaction.objectStore(STORE));
      await completed(transaction);
      return true;
    } catch (error) {
      fail(error);
      return false;
    }
  }

  /** There is room again: what had none comes first. "kept" is said of all values, or not at all. */
  async function keepRest() {
    const rest = [...memory];
    if (rest.length > 0) {
      if (!await write((store) => rest.forEach(([id, value]) => store.put(value, id)))) return;
      for (const [id, value] of rest) if (memory.get(id) === value) memory.delete(id);
    }
    if (memory.size === 0) become("kept");
  }

  return {
    get state() {
      return state;
    },
    get: async (id) => (memory.has(id) ? memory.get(id) : read((store) => store.get(id))),
    async put(id, value) {
      // Before the write begins: an older value must not be written behind this one.
      memory.delete(id);
      const isKept = await write((store) => store.put(value, id));
      if (!isKept) memory.set(id, value);
      else {
        memory.delete(id);
        if (state !== "kept") await keepRest();
      }
      return isKept;
    },
    async delete(id) {
      memory.delete(id);
      const isDone = await write((store) => store.delete(id));
      if (isDone && state !== "kept") await keepRest();
      return isDone;
    },
    async entries(prefix = "") {
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      // One transaction, so that both lists are of the same moment.
      const found = await readBoth(range);
      const all = new Map(found);
      for (const [id, value] of memory) if (id.startsWith(prefix)) all.set(id, value);
      return [...all].sort(([a], [b]) => (a < b ? -1 : 1));
    },
    async clear() {
      memory.clear();
      const isDone = await write((store) => store.clear());
      if (isDone && state !== "kept") await keepRest();
      return isDone;
    },
    close: () => database?.close(),
  };

  async function readBoth(range) {
    if (!database) return [];
    try {
      const store = database.transaction(STORE).objectStore(STORE);
      const [ids, values] = await Promise.all([finished(store.getAllKeys(range)), finished(store.getAll(range))]);
      return ids.map((id, i) => [id, values[i]]);
    } catch (error) {
      fail(error);
      return [];
    }
  }
}

function connect(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new DOMException("the storage does not open", "TimeoutError"));
    }, OPEN_MS);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => {
      clearTimeout(timer);
      if (isLate) request.result.close();
      else resolve(request.result);
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(request.error);
    };
    request.onblocked = () => reject(new DOMException("another tab holds an older database", "InvalidStateError"));
  });
}

const finished = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const completed = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });

export function storageSentence(state) {
  return {
    full: "This browser’s storage is full. What you do now lasts until this tab closes.",
    forbidden: "This browser keeps nothing for this page, as in a private window. Keys last until this tab closes.",
  }[state] ?? "";
}
