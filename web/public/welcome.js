/** @import { Session } from "./session.js" */

import { byId } from "./element.js";
import { onSubmit } from "./form.js";

/** Form to log in or register, shown to users without a session. */
export class Welcome {
  #closing = new AbortController();
  #page = byId("welcome", HTMLElement);
  #form = byId("log-in", HTMLFormElement);
  #isRegistering = false;

  /**
   * @param {Session} session
   * @param {string} [reason] why the last session ended
   */
  constructor(session, reason = "") {
    const { signal } = this.#closing;
    const notice = byId("session-notice", HTMLParagraphElement);
    notice.textContent = reason;
    notice.hidden = !reason;
    this.#page.hidden = false;
    this.#setMode(false);
    byId("other-form", HTMLButtonElement).addEventListener(
      "click",
      () => this.#setMode(!this.#isRegistering),
      { signal },
    );
    onSubmit(
      this.#form,
      ["username", "password", "display_name"],
      signal,
      async ({ username, password, display_name: displayName }) => {
        if (this.#isRegistering) {
          await session.register(username, password, displayName);
          this.#setMode(false); // the account exists, even if the login fails
        }
        await session.logIn(username, password);
      },
    );
  }

  /** Hide the form and clear its fields. */
  close() {
    this.#closing.abort();
    this.#form.reset();
    this.#page.hidden = true;
  }

  /** @param {boolean} isRegistering */
  #setMode(isRegistering) {
    this.#isRegistering = isRegistering;
    const label = isRegistering ? "Register" : "Log in";
    byId("log-in-title", HTMLHeadingElement).textContent = label;
    byId("log-in-submit", HTMLButtonElement).textContent = label;
    byId("other-form", HTMLButtonElement).textContent = isRegistering
      ? "Have an account? Log in"
      : "No account yet? Register";
    byId("display-name", HTMLLabelElement).hidden = !isRegistering;
    const password = this.#form.querySelector("input[type=password]");
    password?.setAttribute("autocomplete", isRegistering ? "new-password" : "current-password");
    this.#form.querySelector("input")?.focus();
  }
}
