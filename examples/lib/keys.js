// Keys and small values in IndexedDB. Nothing here throws for a full or forbidden storage: the
// value stays in this page's memory, and the state says so.

const STORE = "values";

export async function openKeyStore(name, { onState = () => {} } = {}) {
  const memory = new Map();
  let state = "kept";
  let database;

  function fail(error) {
    const next = error?.name === "QuotaExceededError" ? "full" : "forbidden";
    if (next === state) return;
    state = next;
    onState(state);
  }

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
      if (state === "full") onState((state = "kept"));
      return true;
    } catch (error) {
      fail(error);
      return false;
    }
  }

  return {
    get state() {
      return state;
    },
    get: async (id) => (memory.has(id) ? memory.get(id) : read((store) => store.get(id))),
    async put(id, value) {
      const isKept = await write((store) => store.put(value, id));
      if (isKept) memory.delete(id);
      else memory.set(id, value);
      return isKept;
    },
    async delete(id) {
      memory.delete(id);
      return write((store) => store.delete(id));
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
      return write((store) => store.clear());
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
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
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
