/**
 * What was written here and is not known to stand in its room yet.
 *
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {{key: string, room: string, text: string, at: string, tries: number,
 *   state: "waiting" | "sending" | "sent" | "refused", refusal: string}} Draft
 */

import { Backoff } from "./backoff.js";
import { Problem } from "./problem.js";
import { forget, keep, recall } from "./storage.js";

const KEY_BYTES = 16;
/** A draft that costs the connection this often is no longer sent by itself. */
const MOST_TRIES = 6;

/** The browser keeps no drafts, so that one would be lost with the page. */
export class NotStored extends Error {
  constructor() {
    super(
      "Not sent: this browser stores nothing for this page, so a message that waits would be lost " +
        "with it. Send it again to go on anyway.",
    );
  }
}

/**
 * Sends drafts in their order, again after a lost connection and once the server can take them,
 * always with the key they began with: so each stands in its room once, however often it was sent.
 * They outlast a reload of the page.
 *
 * Throws an event `changed` with the draft in its `detail`.
 */
export class Outbox extends EventTarget {
  #connection;
  #storedAs;
  /** @type {Map<string, Draft>} */
  #drafts;
  /** How long the server is left alone that can take nothing now. */
  #backoff = new Backoff();
  #rests = false;
  /** Whether the writer knows that drafts are lost with the page. */
  #isUnsafe = false;

  /**
   * @param {Connection} connection
   * @param {string} user
   * @param {AbortSignal} signal
   */
  constructor(connection, user, signal) {
    super();
    this.#connection = connection;
    this.#storedAs = `madang.outbox.${user}`;
    this.#drafts = new Map(read(this.#storedAs).map((draft) => [draft.key, draft]));
    connection.addEventListener("state", () => this.#sendWaiting(), { signal });
  }

  get empty() {
    return this.#drafts.size === 0;
  }

  /**
   * Return what is on its way to a room, oldest first.
   *
   * @param {string} room
   */
  drafts(room) {
    return [...this.#drafts.values()].filter((draft) => draft.room === room);
  }

  /**
   * Send a text; throws NotStored the first time that it would not outlast the page.
   *
   * @param {string} room
   * @param {string} text
   */
  add(room, text) {
    const at = new Date().toISOString();
    /** @type {Draft} */
    const draft = { key: newKey(), room, text, at, tries: 0, state: "waiting", refusal: "" };
    this.#drafts.set(draft.key, draft);
    if (!this.#store() && !this.#isUnsafe) {
      this.#isUnsafe = true;
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
      draft.tries = 1; // it was sent before, and may begin counting again
      this.#changed(draft);
      this.#sendWaiting();
    }
  }

  /**
   * Forget a draft: it was given up, or has been seen in its room.
   *
   * @param {string} key
   */
  remove(key) {
    if (this.#drafts.delete(key)) {
      this.#store();
    }
  }

  /** Forget everything. */
  clear() {
    this.#drafts.clear();
    this.#store();
  }

  #sendWaiting() {
    if (this.#connection.state.name === "open" && !this.#rests) {
      for (const draft of this.#drafts.values()) {
        if (draft.state === "waiting") {
          this.#send(draft);
        }
      }
    }
  }

  /** @param {Draft} draft */
  async #send(draft) {
    const again = draft.tries > 0;
    draft.state = "sending";
    draft.tries += 1;
    this.#changed(draft);
    const headers = { key: draft.key, "content-type": "text/plain;charset=utf-8" };
    try {
      const destination = `/app/rooms.${draft.room}.send`;
      await this.#connection.send(
        destination,
        again ? { ...headers, retry: "true" } : headers,
        draft.text,
      );
      draft.state = "sent";
      this.#backoff = new Backoff();
    } catch (error) {
      if (error instanceof Problem && error.unavailable) {
        draft.state = "waiting";
        draft.tries = 1; // it did not cost the connection
        this.#rest();
      } else if (error instanceof Problem) {
        draft.state = "refused";
        draft.refusal = error.message;
      } else if (draft.tries >= MOST_TRIES) {
        draft.state = "refused";
        draft.refusal = "The connection was lost each time.";
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

  /** Send nothing for a while. */
  #rest() {
    if (!this.#rests) {
      this.#rests = true;
      setTimeout(() => {
        this.#rests = false;
        this.#sendWaiting();
      }, this.#backoff.next());
    }
  }

  /** @param {Draft} draft */
  #changed(draft) {
    this.#store();
    this.dispatchEvent(new CustomEvent("changed", { detail: draft }));
  }

  /** Keep the drafts and return whether the browser does. */
  #store() {
    // Per tab, like the page it is typed into; gone with it.
    if (this.#drafts.size) {
      return keep("sessionStorage", this.#storedAs, [...this.#drafts.values()]);
    }
    forget("sessionStorage", this.#storedAs);
    return true;
  }
}

/**
 * @param {string} name
 * @returns {Draft[]}
 */
function read(name) {
  const stored = recall("sessionStorage", name);
  /** @type {Draft[]} */
  const drafts = Array.isArray(stored) ? stored : [];
  // Nobody knows what became of those that were under way.
  return drafts.map((draft) =>
    draft.state === "refused" ? draft : { ...draft, state: "waiting" },
  );
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
