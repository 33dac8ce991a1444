/** @import { Session } from "./session.js" */

import { byId } from "./element.js";

/** Warns while the session cannot be stored, and so does not survive a reload. */
export class StorageNotice {
  #session;
  #text = byId("storage-error", HTMLParagraphElement);

  /**
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(session, signal) {
    this.#session = session;
    session.on("renewed", () => this.#show(), signal);
    signal.addEventListener("abort", () => (this.#text.textContent = ""));
    this.#show();
  }

  #show() {
    this.#text.textContent = this.#session.stored
      ? ""
      : "This browser cannot store data for this page. After a reload, log in again.";
  }
}
