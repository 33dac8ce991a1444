/**
 * Who is writing in the room just now.
 *
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./rest.js").ChatEvent} ChatEvent
 */

import { sentence } from "./element.js";

const TOLD_EVERY_MILLISECONDS = 3_000;
const SHOWN_MILLISECONDS = 5_000;

/** Tells the others that I write, and shows who of them does. */
export class Typing {
  #room;
  #me;
  #connection;
  #shown;
  #toldAt = 0;
  /** @type {Map<string, {name: string, timer: ReturnType<typeof setTimeout>}>} */
  #writers = new Map();

  /**
   * @param {string} room
   * @param {string} me
   * @param {Connection} connection
   * @param {HTMLElement} shown where to show it
   */
  constructor(room, me, connection, shown) {
    this.#room = room;
    this.#me = me;
    this.#connection = connection;
    this.#shown = shown;
  }

  /** @param {ChatEvent} event */
  heard({ kind, sender, sender_name: name }) {
    if (kind === "room.typing" && sender !== this.#me) {
      this.#writes(sender, name);
    }
  }

  close() {
    for (const writer of [...this.#writers.keys()]) {
      this.stopped(writer);
    }
  }

  /** I wrote something; told to the others now and then only. */
  wrote() {
    const now = Date.now();
    if (now - this.#toldAt > TOLD_EVERY_MILLISECONDS) {
      this.#toldAt = now;
      this.#connection.tell(`/app/rooms.${this.#room}.typing`);
    }
  }

  /**
   * Somebody's message came, so they write no more.
   *
   * @param {string} writer
   */
  stopped(writer) {
    clearTimeout(this.#writers.get(writer)?.timer);
    this.#writers.delete(writer);
    this.#show();
  }

  /** What I wrote is sent; the next letter is told at once. */
  sent() {
    this.#toldAt = 0;
  }

  /**
   * @param {string} writer
   * @param {string} name
   */
  #writes(writer, name) {
    clearTimeout(this.#writers.get(writer)?.timer);
    const timer = setTimeout(() => this.stopped(writer), SHOWN_MILLISECONDS);
    this.#writers.set(writer, { name, timer });
    this.#show();
  }

  #show() {
    const [first, second, ...others] = [...this.#writers.values()].map(({ name }) => name);
    if (first === undefined) {
      this.#shown.replaceChildren();
    } else if (second === undefined) {
      this.#shown.replaceChildren(...sentence`${first} is writing…`);
    } else if (others.length === 0) {
      this.#shown.replaceChildren(...sentence`${first} and ${second} are writing…`);
    } else {
      this.#shown.replaceChildren("Several people are writing…");
    }
  }
}
