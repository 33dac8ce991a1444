/**
 * The events of the room that is open, each once and in order, as far back as was asked for.
 *
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./rest.js").ChatEvent} ChatEvent
 * @typedef {import("./rest.js").Rest} Rest
 * @typedef {{name: "loading" | "open" | "closed", reason: string}} TimelineState
 */

import { explain, Problem } from "./problem.js";

/** Where a room begins that had no events when it was asked for them. */
const START = "start";
const PAUSE_MILLISECONDS = 2_000;

/**
 * Reads the newest page from history, then follows the room from the end of that page on; each
 * later connection goes on after the last event that came.
 *
 * Throws events `added` (the event in `detail`), `cleared`, `older` and `state`.
 */
export class Timeline extends EventTarget {
  /** @type {TimelineState} */
  state = { name: "loading", reason: "" };
  /** Whether there are older events than those that came. */
  hasOlder = false;
  room;
  #rest;
  #connection;
  /** @type {Set<string>} */
  #seen = new Set();
  /** @type {string | null} */
  #before = null;
  #since = START;
  #begun = false;
  #loading = false;
  #closing = new AbortController();
  #unsubscribe = () => {};

  /**
   * @param {string} room
   * @param {Rest} rest
   * @param {Connection} connection
   */
  constructor(room, rest, connection) {
    super();
    this.room = room;
    this.#rest = rest;
    this.#connection = connection;
    const { signal } = this.#closing;
    connection.addEventListener("state", () => this.#loadIfDue(), { signal });
  }

  /** Begin; to be called once whoever wants the events listens. */
  open() {
    this.#load();
  }

  /** Stop following. */
  close(reason = "") {
    this.#closing.abort();
    this.#unsubscribe();
    this.#change("closed", reason);
  }

  /** Bring the page before the oldest event; throws Problem or Unreachable. */
  async older() {
    const before = this.#before;
    if (!before || this.#loading) {
      return;
    }
    this.#loading = true;
    try {
      const page = await this.#rest.messages(this.room, before);
      if (this.#before === before && this.state.name !== "closed") {
        page.items.forEach((event) => this.#add(event));
        this.#ended(page.before);
      }
    } finally {
      this.#loading = false;
    }
  }

  #loadIfDue() {
    if (this.state.name === "loading" && this.#connection.state.name === "open") {
      this.#load();
    }
  }

  async #load() {
    if (this.#loading) {
      return;
    }
    this.#loading = true;
    let page = null;
    try {
      page = await this.#rest.messages(this.room);
    } catch (error) {
      this.#notLoaded(error);
    } finally {
      this.#loading = false;
    }
    if (page && this.state.name === "loading") {
      page.items.forEach((event) => this.#add(event));
      this.#since = page.after ?? START;
      this.#ended(page.before);
      this.#follow();
      this.#change("open");
    }
  }

  /** @param {unknown} error */
  #notLoaded(error) {
    if (this.state.name === "closed") {
      return;
    }
    if (error instanceof Problem && !error.passing) {
      this.close(explain(error));
    } else {
      setTimeout(() => this.#loadIfDue(), PAUSE_MILLISECONDS);
    }
  }

  #follow() {
    this.#begun = false;
    this.#unsubscribe = this.#connection.subscribe(`/topic/rooms.${this.room}`, {
      since: () => this.#since,
      onBegin: (resumed) => this.#resumed(resumed),
      onEvent: (event) => {
        this.#since = event.id;
        this.#add(event);
      },
      onRefused: (problem) => this.close(explain(problem)),
    });
  }

  /**
   * Begin anew from history if the server cannot tell what was missed since the last event.
   *
   * @param {boolean} complete
   */
  #resumed(complete) {
    const again = this.#begun;
    this.#begun = true;
    if (!complete && again) {
      this.#unsubscribe();
      this.#seen.clear();
      this.#change("loading");
      this.dispatchEvent(new Event("cleared"));
      this.#load();
    }
  }

  /**
   * The first event with an id counts, and the first with its sender's key.
   *
   * @param {ChatEvent} event
   */
  #add(event) {
    const names = [event.id, `${event.sender} ${event.key}`];
    const known = names.some((name) => this.#seen.has(name));
    names.forEach((name) => this.#seen.add(name));
    if (!known && this.state.name !== "closed") {
      this.dispatchEvent(new CustomEvent("added", { detail: event }));
    }
  }

  /** @param {string | null} before */
  #ended(before) {
    this.#before = before;
    this.hasOlder = before !== null;
    this.dispatchEvent(new Event("older"));
  }

  /**
   * @param {TimelineState["name"]} name
   * @param {string} [reason]
   */
  #change(name, reason = "") {
    this.state = { name, reason };
    this.dispatchEvent(new Event("state"));
  }
}
