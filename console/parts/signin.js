// The panel over the dimmed page: a code from the address, or the admin token. Neither is kept.

import { codeIn } from "../router.js";
import { html, nothing, ref } from "./html.js";
import { seal } from "./icons.js";
import { openModal } from "./dialog.js";
import { errorLine } from "./states.js";

export class SignIn {
  error = undefined;
  #busy = false;
  #host;

  /** `host`: api, redraw, begun(session). */
  constructor(host) {
    this.#host = host;
  }

  /** Takes a code, or anything else that is no screen, out of the address before all else. */
  takeCode() {
    const code = codeIn(location.hash);
    if (!location.hash.startsWith("#/")) history.replaceState(null, "", location.pathname);
    return code;
  }

  async with(proof) {
    this.#busy = true;
    this.error = undefined;
    this.#host.redraw();
    try {
      this.#host.begun(await this.#host.api.signIn(proof));
    } catch (error) {
      this.error = error;
    }
    this.#busy = false;
    this.#host.redraw();
  }

  view() {
    const submit = (event) => {
      event.preventDefault();
      const input = event.target.elements.token;
      const token = input.value.trim();
      input.value = "";
      if (token) this.with({ token });
    };
    const wait = this.error?.retryAfter;
    return html`
      <dialog class="dialog signin" aria-labelledby="signin-title" ${ref(openModal)} @cancel=${(event) => event.preventDefault()} @close=${({ target }) => openModal(target)}>
        <form @submit=${submit} autocomplete="off">
          ${seal("stamp")}
          <h2 id="signin-title">Sign in to Sealcast</h2>
          <div class="text">
            <p>Run this beside the server, and open its link:</p>
            <pre>sealcast console</pre>
            <p>Or give the admin token of its configuration.</p>
          </div>
          <label class="field"><span>Admin token</span><input type="password" name="token" autocomplete="off" spellcheck="false" required></label>
          ${errorLine(this.error)}
          ${wait ? html`<p class="dim">Wait ${wait} s, then try again.</p>` : nothing}
          <div class="actions"><button class="btn primary" ?disabled=${this.#busy}>Sign in</button></div>
        </form>
      </dialog>`;
  }
}
