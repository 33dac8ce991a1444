/**
 * @import { Draft } from "../types.js"
 * @import { Connection } from "./connection.js"
 */

import { Backoff } from "./backoff.js";
import { Emitter } from "./emitter.js";
import { Problem } from "./problem.js";
import { load, remove, save } from "./storage.js";

const KEY_BYTES = 16;
/** A draft is refused after the connection was lost at this many attempts. */
const MAX_TRIES = 6;

/** The draft was not added, because it would be lost with the page. */
export class NotStored extends Error {
  constructor() {
    super(
      "Message not sent: this browser cannot store data for this page, so an unsent message is " +
        "lost when the page closes. Send again to continue anyway.",
    );
  }
}

/**
 * Sends drafts in order, again after a lost connection or while the server is unavailable, always
 * with the same idempotency key, so that each message is stored once. Drafts survive a reload.
 *
 * Emits `changed` with the draft.
 *
 * @extends {Emitter<{changed: Draft}>}
 */
export class Outbox extends Emitter {
  #connection;
  #storageKey;
  /** @type {Map<string, Draft>} */
  #drafts;
  /** Pauses while the server is unavailable. */
  #backoff = new Backoff();
  #isPaused = false;
  /** Whether the user was warned that drafts are not stored. */
  #warned = false;

  /**
   * @param {Connection} connection
   * @param {string} user
   * @param {AbortSignal} signal
   */
  constructor(connection, user, signal) {
    super();
    this.#connection = connection;
    this.#storageKey = `madang.outbox.${user}`;
    this.#drafts = new Map(storedDrafts(this.#storageKey).map((draft) => [draft.key, draft]));
    connection.on("state", () => this.#sendWaiting(), signal);
  }

  get empty() {
    return this.#drafts.size === 0;
  }

  /**
   * Return the drafts of a room, oldest first.
   *
   * @param {string} room
   */
  drafts(room) {
    return [...this.#drafts.values()].filter((draft) => draft.room === room);
  }

  /**
   * Send a text; throws NotStored the first time that the draft cannot be stored.
   *
   * @param {string} room
   * @param {string} text
   */
  add(room, text) {
    const at = new Date().toISOString();
    /** @type {Draft} */
    const draft = { key: newKey(), room, text, at, tries: 0, state: "waiting", refusal: "" };
    this.#drafts.set(draft.key, draft);
    if (!this.#store() && !this.#warned) {
      this.#warned = true;
      this.#drafts.delete(draft.key);
      throw new NotStored();
    }
    this.#changed(draft);
    this.#sendWaiting();
  }

  /**
   * Send a refused draft again.
   *
   * @param {string} key
   */
  retry(key) {
    const draft = this.#drafts.get(key);
    if (draft?.state === "refused") {
      draft.state = "waiting";
      draft.tries = 1; // not 0, because it was sent before; the limit starts anew
      this.#changed(draft);
      this.#sendWaiting();
    }
  }

  /**
   * Delete a draft: the user discarded it, or its event arrived.
   *
   * @param {string} key
   */
  remove(key) {
    if (this.#drafts.delete(key)) {
      this.#store();
    }
  }

  /** Delete all drafts. */
  clear() {
    this.#drafts.clear();
    this.#store();
  }

  #sendWaiting() {
    if (this.#connection.state.name === "open" && !this.#isPaused) {
      for (const draft of this.#drafts.values()) {
        if (draft.state === "waiting") {
          this.#send(draft);
        }
      }
    }
  }

  /** @param {Draft} draft */
  async #send(draft) {
    const isRetry = draft.tries > 0;
    draft.state = "sending";
    draft.tries += 1;
    this.#changed(draft);
    const headers = { key: draft.key, "content-type": "text/plain;charset=utf-8" };
    try {
      const destination = `/app/rooms.${draft.room}.send`;
      await this.#connection.send(
        destination,
        isRetry ? { ...headers, retry: "true" } : headers,
        draft.text,
      );
      draft.state = "sent";
      this.#backoff = new Backoff();
    } catch (error) {
      if (error instanceof Problem && error.unavailable) {
        draft.state = "waiting";
        draft.tries = 1; // the connection was not lost: does not count towards the limit
        this.#pause();
      } else if (error instanceof Problem) {
        draft.state = "refused";
        draft.refusal = error.message;
      } else if (draft.tries >= MAX_TRIES) {
        draft.state = "refused";
        draft.refusal = "The connection was lost at each attempt.";
      } else {
        draft.state = "waiting";
      }
    }
    if (this.#drafts.has(draft.key)) {
      if (draft.state === "sent") {
        this.#drafts.delete(draft.key);
      }
      this.#changed(draft);
      this.#sendWaiting();
    }
  }

  #pause() {
    if (!this.#isPaused) {
      this.#isPaused = true;
      setTimeout(() => {
        this.#isPaused = false;
        this.#sendWaiting();
      }, this.#backoff.next());
    }
  }

  /** @param {Draft} draft */
  #changed(draft) {
    this.#store();
    this.emit("changed", draft);
  }

  /** Store the drafts and return whether that succeeded. */
  #store() {
    // In sessionStorage, because each tab sends its own drafts.
    if (this.#drafts.size) {
      return save("sessionStorage", this.#storageKey, [...this.#drafts.values()]);
    }
    remove("sessionStorage", this.#storageKey);
    return true;
  }
}

/**
 * @param {string} key
 * @returns {Draft[]}
 */
function storedDrafts(key) {
  const stored = load("sessionStorage", key);
  /** @type {Draft[]} */
  const drafts = Array.isArray(stored) ? stored : [];
  // Drafts that were being sent are sent again: their outcome is unknown.
  return drafts.map((draft) =>
    draft.state === "refused" ? draft : { ...draft, state: "waiting" },
  );
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
