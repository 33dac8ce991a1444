/** @typedef {import("./session.js").Session} Session */

import { byId } from "./element.js";
import { onSubmit } from "./form.js";

/** The page for who is not logged in. */
export class Welcome {
  #closing = new AbortController();
  #shown = byId("welcome", HTMLElement);
  #form = byId("log-in", HTMLFormElement);
  #registers = false;

  /**
   * @param {Session} session
   * @param {string} [farewell] why the last login is over
   */
  constructor(session, farewell = "") {
    const { signal } = this.#closing;
    const notice = byId("farewell", HTMLParagraphElement);
    notice.textContent = farewell;
    notice.hidden = !farewell;
    this.#shown.hidden = false;
    this.#choose(false);
    byId("other-form", HTMLButtonElement).addEventListener(
      "click",
      () => this.#choose(!this.#registers),
      { signal },
    );
    onSubmit(this.#form, signal, async ({ username, password, display_name: name }) => {
      if (this.#registers) {
        await session.register(username, password, name);
        this.#choose(false); // the account is there, whatever becomes of the login
      }
      await session.logIn(username, password);
    });
  }

  /** Make room, and keep nothing of what was typed. */
  close() {
    this.#closing.abort();
    this.#form.reset();
    this.#shown.hidden = true;
  }

  /** @param {boolean} registers */
  #choose(registers) {
    this.#registers = registers;
    const verb = registers ? "Register" : "Log in";
    byId("log-in-title", HTMLHeadingElement).textContent = verb;
    byId("log-in-submit", HTMLButtonElement).textContent = verb;
    byId("other-form", HTMLButtonElement).textContent = registers
      ? "Have an account? Log in"
      : "No account yet? Register";
    byId("display-name", HTMLLabelElement).hidden = !registers;
    const password = this.#form.querySelector("input[type=password]");
    password?.setAttribute("autocomplete", registers ? "new-password" : "current-password");
    this.#form.querySelector("input")?.focus();
  }
}
