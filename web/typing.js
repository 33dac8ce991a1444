/**
 * Who is writing in the room just now.
 *
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./rest.js").ChatEvent} ChatEvent
 */

const TOLD_EVERY_MILLISECONDS = 3_000;
const SHOWN_MILLISECONDS = 5_000;
/** More than this many are "several people". */
const MOST_NAMES = 2;

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
    const names = [...this.#writers.values()].map(({ name }) => name);
    if (names.length === 0) {
      this.#shown.textContent = "";
    } else if (names.length > MOST_NAMES) {
      this.#shown.textContent = "Several people are writing…";
    } else {
      this.#shown.textContent = `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} writing…`;
    }
  }
}
