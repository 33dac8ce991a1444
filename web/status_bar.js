/** @typedef {import("./connection.js").Connection} Connection */

import { byId } from "./element.js";

const SECOND = 1000;

/** Tells how the connection is, and lets the impatient try at once. */
export class StatusBar {
  #connection;
  #status = byId("status", HTMLSpanElement);
  #tryNow = byId("try-now", HTMLButtonElement);
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
    const offline = !navigator.onLine || name === "waiting" || name === "stopped";
    document.documentElement.dataset.connection = offline ? "offline" : name;
    this.#tryNow.hidden = !(name === "waiting" || name === "stopped");
    if (!navigator.onLine) {
      this.#say("Offline: this device has no network");
    } else if (name === "open") {
      this.#say("Connected");
    } else if (name === "connecting") {
      this.#say("Connecting…");
    } else if (name === "waiting") {
      this.#count(retryAt);
      this.#ticking = setInterval(() => this.#count(retryAt), SECOND);
    } else {
      this.#say(reason ? `Not connected: ${reason}` : "Not connected");
    }
  }

  /** @param {number} retryAt */
  #count(retryAt) {
    const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / SECOND));
    this.#say(`Offline. Trying again in ${seconds} s`);
  }

  /** @param {string} text */
  #say(text) {
    if (this.#status.textContent !== text) {
      this.#status.textContent = text;
    }
  }
}
