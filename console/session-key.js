// The session's second secret. A browser sends a cookie to every port of a host, so whoever listens
// on another one gets it; this key is known to pages of this origin alone, while a tab is open.

const ENTRY = "sealcast.key";
const CHANNEL = "sealcast-console";
const ASK = "key?";
const SHAPE = /^[\w-]{43}$/;
const MAX_WAIT_MS = 300;

export class SessionKey {
  value = stored();
  #channel = new BroadcastChannel(CHANNEL);
  #waiting = new Set();

  constructor() {
    this.#channel.onmessage = ({ data }) => this.#heard(data);
  }

  keep(key) {
    this.value = key;
    try {
      sessionStorage.setItem(ENTRY, key);
    } catch {
      // A browser that stores nothing: the key lasts until the page is closed.
    }
  }

  forget() {
    this.value = undefined;
    try {
      sessionStorage.removeItem(ENTRY);
    } catch {
      // A browser that stores nothing.
    }
  }

  /** Takes the key of another tab, unless it is the same. Returns whether there is one. */
  async adopt() {
    const before = this.value;
    const key = await this.#ask(before);
    // A sign-out or sign-in meanwhile counts more.
    if (key === undefined || this.value !== before) return false;
    this.keep(key);
    return true;
  }

  #ask(refused) {
    return new Promise((resolve) => {
      const end = (key) => {
        clearTimeout(timer);
        this.#waiting.delete(take);
        resolve(key);
      };
      const take = (key) => key !== refused && end(key);
      const timer = setTimeout(end, MAX_WAIT_MS);
      this.#waiting.add(take);
      this.#channel.postMessage(ASK);
    });
  }

  #heard(data) {
    if (data === ASK && this.value !== undefined) this.#channel.postMessage({ key: this.value });
    else if (SHAPE.test(data?.key)) for (const take of this.#waiting) take(data.key);
  }
}

function stored() {
  try {
    return sessionStorage.getItem(ENTRY) ?? undefined;
  } catch {
    return undefined;
  }
}
