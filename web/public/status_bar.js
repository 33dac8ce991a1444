/** @import { Connection } from "./connection.js" */

import { byId } from "./element.js";

const SECOND = 1000;

/** Shows the state of the connection, with a button to reconnect at once. */
export class StatusBar {
  #connection;
  #status = byId("status", HTMLSpanElement);
  #countdown = byId("countdown", HTMLSpanElement);
  #reconnect = byId("reconnect", HTMLButtonElement);
  #lost = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #interval;

  /**
   * @param {Connection} connection
   * @param {AbortSignal} signal
   */
  constructor(connection, signal) {
    this.#connection = connection;
    connection.on("state", () => this.#show(), signal);
    window.addEventListener("offline", () => this.#show(), { signal });
    window.addEventListener("online", () => this.#connectNow(), { signal });
    document.addEventListener("visibilitychange", () => this.#connectNow(), { signal });
    this.#reconnect.addEventListener("click", () => connection.connect(), { signal });
    signal.addEventListener("abort", () => clearInterval(this.#interval));
    this.#show();
  }

  /** Do not wait for the backoff when the network returns or the page becomes visible. */
  #connectNow() {
    if (navigator.onLine && !document.hidden && this.#connection.state.name === "waiting") {
      this.#connection.connect();
    }
    this.#show();
  }

  #show() {
    clearInterval(this.#interval);
    const { name, reason, retryAt } = this.#connection.state;
    // After a loss the status stays "Offline" during attempts to reconnect.
    this.#lost = name !== "open" && (this.#lost || name !== "connecting");
    document.documentElement.dataset.connection =
      this.#lost || !navigator.onLine ? "offline" : name;
    this.#reconnect.hidden = name !== "waiting" && name !== "stopped";
    this.#countdown.textContent = "";
    if (!navigator.onLine) {
      this.#setStatus("Offline: this device has no network.");
    } else if (name === "open") {
      this.#setStatus("Connected");
    } else if (name === "stopped") {
      this.#setStatus(reason ? `Offline: ${reason}.` : "Offline.");
    } else {
      this.#setStatus(this.#lost ? "Offline." : "Connecting…");
      this.#showCountdown(name === "waiting" ? retryAt : 0);
      this.#interval = setInterval(() => this.#showCountdown(retryAt), SECOND);
    }
  }

  /**
   * The countdown is not part of the status, so that screen readers do not read every second.
   *
   * @param {number} retryAt
   */
  #showCountdown(retryAt) {
    const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / SECOND));
    if (this.#lost) {
      this.#countdown.textContent = retryAt ? `Reconnecting in ${seconds} s` : "Reconnecting…";
    }
  }

  /** @param {string} text */
  #setStatus(text) {
    // Screen readers read the status again when it is set, even to the same text.
    if (this.#status.textContent !== text) {
      this.#status.textContent = text;
    }
  }
}
