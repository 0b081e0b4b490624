// What this tab keeps over a reload. Where the browser forbids it, the values last until then.

const PREFIX = "pp-";

export function openSession(storage = () => sessionStorage) {
  const memory = new Map();
  let isKept = true;

  function put(name, value) {
    memory.set(name, value);
    try {
      storage().setItem(PREFIX + name, value);
    } catch {
      isKept = false;
    }
  }

  function get(name) {
    if (memory.has(name)) return memory.get(name);
    try {
      return storage().getItem(PREFIX + name);
    } catch {
      isKept = false;
      return null;
    }
  }

  return {
    get isKept() {
      return isKept;
    },
    get,
    put,
    /** Written once: a tab stays with its room until it leaves. False if it has another key. */
    takeKey(text) {
      const known = get("key");
      if (known === null) put("key", text);
      return known === null || known === text;
    },
    clear() {
      for (const name of ["key", "player", "name", "watches", "card", "table", "outbox", "seen"]) {
        memory.delete(name);
        try {
          storage().removeItem(PREFIX + name);
        } catch {
          isKept = false;
        }
      }
    },
  };
}
