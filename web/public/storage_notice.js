/** @typedef {import("./session.js").Session} Session */

import { byId } from "./element.js";

/** Tells that the login is in this page alone, where the browser refuses to store it. */
export class StorageNotice {
  #session;
  #shown = byId("storage-error", HTMLParagraphElement);

  /**
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(session, signal) {
    this.#session = session;
    session.addEventListener("renewed", () => this.#show(), { signal });
    signal.addEventListener("abort", () => (this.#shown.textContent = ""));
    this.#show();
  }

  #show() {
    this.#shown.textContent = this.#session.stored
      ? ""
      : "This browser stores nothing for this page: a reload will ask you to log in again.";
  }
}
