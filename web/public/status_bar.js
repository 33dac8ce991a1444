/** @typedef {import("./connection.js").Connection} Connection */

import { byId } from "./element.js";

const SECOND = 1000;

/** Tells how the connection is, and lets the impatient try at once. */
export class StatusBar {
  #connection;
  #status = byId("status", HTMLSpanElement);
  #countdown = byId("countdown", HTMLSpanElement);
  #tryNow = byId("try-now", HTMLButtonElement);
  #lost = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking;

  /**
   * @param {Connection} connection
   * @param {AbortSignal} signal
   */
  constructor(connection, signal) {
    this.#connection = connection;
    connection.addEventListener("state", () => this.#show(), { signal });
    window.addEventListener("offline", () => this.#show(), { signal });
    window.addEventListener("online", () => this.#back(), { signal });
    document.addEventListener("visibilitychange", () => this.#back(), { signal });
    this.#tryNow.addEventListener("click", () => connection.connect(), { signal });
    signal.addEventListener("abort", () => clearInterval(this.#ticking));
    this.#show();
  }

  #back() {
    if (navigator.onLine && !document.hidden && this.#connection.state.name === "waiting") {
      this.#connection.connect();
    }
    this.#show();
  }

  #show() {
    clearInterval(this.#ticking);
    const { name, reason, retryAt } = this.#connection.state;
    // What was lost stays lost until it is back: an attempt is not much to go by.
    this.#lost = name !== "open" && (this.#lost || name !== "connecting");
    document.documentElement.dataset.connection =
      this.#lost || !navigator.onLine ? "offline" : name;
    this.#tryNow.hidden = name !== "waiting" && name !== "stopped";
    this.#countdown.textContent = "";
    if (!navigator.onLine) {
      this.#say("Offline: this device has no network.");
    } else if (name === "open") {
      this.#say("Connected");
    } else if (name === "stopped") {
      this.#say(reason ? `Offline: ${reason}.` : "Offline.");
    } else {
      this.#say(this.#lost ? "Offline." : "Connecting…");
      this.#count(name === "waiting" ? retryAt : 0);
      this.#ticking = setInterval(() => this.#count(retryAt), SECOND);
    }
  }

  /**
   * Beside the status, not in it: nobody wants to have every second read out.
   *
   * @param {number} retryAt
   */
  #count(retryAt) {
    const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / SECOND));
    if (this.#lost) {
      this.#countdown.textContent = retryAt ? `Trying again in ${seconds} s` : "Trying again…";
    }
  }

  /** @param {string} text */
  #say(text) {
    if (this.#status.textContent !== text) {
      this.#status.textContent = text;
    }
  }
}
