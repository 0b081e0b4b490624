// What several screens know: session, chosen app, statistics, and the time without an answer.

export class Store {
  /** As `GET /console/session`; `undefined` before the first, and kept when it has ended. */
  session = undefined;
  /** Before the first session it is neither this nor signed out. */
  isSignedIn = false;
  isSignedOut = false;
  /** The app in the address, if the server has it; else the first. */
  app = undefined;
  /** A message for the state line, for a moment. */
  said = "";
  #changed;
  #timer;

  constructor(changed) {
    this.#changed = changed;
  }


  get apps() {
    return this.session?.apps ?? [];
  }

  begin(session) {
    Object.assign(this, { session, isSignedIn: true, isSignedOut: false });
    this.choose(this.app);
  }

  end() {
    Object.assign(this, { isSignedIn: false, isSignedOut: true });
    this.#changed();
  }

  choose(app) {
    this.app = this.apps.includes(app) ? app : this.apps[0];
    this.#changed();
  }

  say(text) {
    clearTimeout(this.#timer);
    this.said = text;
    this.#timer = setTimeout(() => this.say(""), 4_000);
    if (text === "") clearTimeout(this.#timer);
    this.#changed();
  }
}
