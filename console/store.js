// What several screens know: session, chosen app, statistics, and the time without an answer.

export class Store {
  /** As `GET /console/session`; `undefined` before, `null` when signed out. */
  session = undefined;
  /** The app in the address, if the server has it; else the first. */
  app = undefined;
  /** Ids of all apps; kept while signed out. */
  apps = [];
  /** A message for the state line, for a moment. */
  said = "";
  #changed;
  #timer;

  constructor(changed) {
    this.#changed = changed;
  }


  begin(session) {
    this.session = session;
    this.apps = session.apps ?? [];
    this.choose(this.app);
  }

  end() {
    this.session = null;
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
