// A page in jsdom, with the rules of a browser on origins and cookies.

import { CookieJar, JSDOM, VirtualConsole } from 'jsdom';
import { eventually } from './programs.mjs';

export class Page {
  /** Opens an address as a browser does, with its scripts. */
  static async open(url) {
    const page = new Page();
    const options = { ...page.#options(), resources: 'usable' };
    page.dom = await JSDOM.fromURL(url, options);
    return page;
  }

  /** Runs a built script in an empty page of an address. */
  static async run(script, url, html = '<!doctype html><p id="log">waiting</p>') {
    const page = new Page();
    page.dom = new JSDOM(html, { ...page.#options(), url });
    page.dom.window.eval(script);
    return page;
  }

  #options() {
    this.problems = [];
    const virtualConsole = new VirtualConsole();
    for (const kind of ['jsdomError', 'error', 'warn']) {
      virtualConsole.on(kind, (...told) => this.problems.push(told.map((part) => part?.stack ?? String(part)).join(' ')));
    }
    return { runScripts: 'dangerously', pretendToBeVisual: true, cookieJar: new CookieJar(), virtualConsole };
  }

  get text() {
    return this.dom.window.document.querySelector('#log')?.textContent;
  }

  async shows(wanted) {
    const detail = () => `it shows ${this.text}\n${this.problems.join('\n')}`;
    await eventually(() => this.text === wanted, `the page to show ${wanted}`, { detail });
  }

  close() {
    this.dom.window.close();
  }
}

/** Clicks of the backend are repeated until the page has subscribed and shows the event. */
export async function publishUntil(publish, page, wanted) {
  const detail = () => `it shows ${page.text}\n${page.problems.join('\n')}`;
  const look = async () => {
    if (page.text === wanted) return true;
    await publish();
    await new Promise((done) => setTimeout(done, 150));
    return page.text === wanted;
  };
  await eventually(look, `the page to show ${wanted}`, { ms: 20_000, detail });
}
