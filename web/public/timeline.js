/**
 * @import { RoomEvent } from "../types.js"
 * @import { Connection } from "./connection.js"
 * @import { Rest } from "./rest.js"
 * @typedef {{name: "loading" | "open" | "closed", reason: string}} TimelineState
 */

import { Emitter } from "./emitter.js";
import { Problem } from "./problem.js";

/** Value of `since` that resumes a room from its first event. */
const START = "start";
const RETRY_MILLISECONDS = 2_000;

/**
 * Events of one room, each emitted once.
 *
 * Loads the newest page from history, then subscribes from the end of that page; each later
 * connection resumes after the last event received. If the server cannot resume, the timeline is
 * cleared and loaded again.
 *
 * Emits `added` with each event, `cleared`, `older` when `hasOlder` may have changed, and `state`.
 *
 * @extends {Emitter<{added: RoomEvent, cleared: void, older: void, state: void}>}
 */
export class Timeline extends Emitter {
  /** @type {TimelineState} */
  state = { name: "loading", reason: "" };
  /** Whether history has events before the oldest one here. */
  hasOlder = false;
  room;
  #rest;
  #connection;
  /** Ids, and keys by sender, of the events that were emitted. @type {Set<string>} */
  #seen = new Set();
  /** Cursor of the next older page. @type {string | null} */
  #before = null;
  #since = START;
  #wasSubscribed = false;
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
    connection.on("state", () => this.#retryLoad(), this.#closing.signal);
  }

  /** Start to load; add listeners first. */
  open() {
    this.#load();
  }

  /** Unsubscribe. */
  close(reason = "") {
    this.#closing.abort();
    this.#unsubscribe();
    this.#setState("closed", reason);
  }

  /** Load the page before the oldest event; throws Problem or Unreachable. */
  async loadOlder() {
    const before = this.#before;
    if (!before || this.#loading) {
      return;
    }
    this.#loading = true;
    try {
      const page = await this.#rest.events(this.room, before);
      if (this.#before === before && this.state.name !== "closed") {
        page.items.forEach((event) => this.#add(event));
        this.#setBefore(page.before);
      }
    } finally {
      this.#loading = false;
    }
  }

  #retryLoad() {
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
      page = await this.#rest.events(this.room);
    } catch (error) {
      this.#loadFailed(error);
    } finally {
      this.#loading = false;
    }
    if (page && this.state.name === "loading") {
      page.items.forEach((event) => this.#add(event));
      this.#since = page.after ?? START;
      this.#setBefore(page.before);
      this.#subscribe();
      this.#setState("open");
    }
  }

  /** @param {unknown} error */
  #loadFailed(error) {
    if (this.state.name === "closed") {
      return;
    }
    if (error instanceof Problem && !error.retryable) {
      this.close(error.message);
    } else {
      setTimeout(() => this.#retryLoad(), RETRY_MILLISECONDS);
    }
  }

  #subscribe() {
    this.#wasSubscribed = false;
    this.#unsubscribe = this.#connection.subscribe(`/topic/rooms.${this.room}`, {
      since: () => this.#since,
      onSubscribed: (resumed) => this.#subscribed(resumed),
      onEvent: (/** @type {RoomEvent} */ event) => {
        this.#since = event.id;
        this.#add(event);
      },
      onRefused: (problem) => this.close(problem.message),
    });
  }

  /** @param {boolean} resumed */
  #subscribed(resumed) {
    const wasSubscribed = this.#wasSubscribed;
    this.#wasSubscribed = true;
    if (!resumed && wasSubscribed) {
      this.#unsubscribe();
      this.#seen.clear();
      this.#setState("loading");
      this.emit("cleared", undefined);
      this.#load();
    }
  }

  /**
   * Emit an event unless one with its id, or with its sender and key, was emitted before.
   *
   * @param {RoomEvent} event
   */
  #add(event) {
    const names = [event.id, `${event.sender} ${event.key}`];
    const isKnown = names.some((name) => this.#seen.has(name));
    names.forEach((name) => this.#seen.add(name));
    if (!isKnown && this.state.name !== "closed") {
      this.emit("added", event);
    }
  }

  /** @param {string | null} before */
  #setBefore(before) {
    this.#before = before;
    this.hasOlder = before !== null;
    this.emit("older", undefined);
  }

  /**
   * @param {TimelineState["name"]} name
   * @param {string} [reason]
   */
  #setState(name, reason = "") {
    this.state = { name, reason };
    this.emit("state", undefined);
  }
}
