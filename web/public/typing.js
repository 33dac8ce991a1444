/**
 * @import { LiveEvent } from "../types.js"
 * @import { Connection } from "./connection.js"
 */

import { sentence } from "./element.js";

/** Shortest time between two typing notices of this user. */
const SEND_MILLISECONDS = 3_000;
/** Time for which a typing notice is shown. */
const SHOW_MILLISECONDS = 5_000;

/** Typing indicator of the open room: sends this user's notices and shows those of others. */
export class Typing {
  #room;
  #me;
  #connection;
  #text;
  #sentAt = 0;
  /** @type {Map<string, {name: string, timer: ReturnType<typeof setTimeout>}>} */
  #users = new Map();

  /**
   * @param {string} room
   * @param {string} me id of this user
   * @param {Connection} connection
   * @param {HTMLElement} text shows who is typing
   */
  constructor(room, me, connection, text) {
    this.#room = room;
    this.#me = me;
    this.#connection = connection;
    this.#text = text;
  }

  close() {
    for (const user of [...this.#users.keys()]) {
      this.clear(user);
    }
  }

  /** @param {LiveEvent} event */
  onEvent({ kind, sender, sender_name: name }) {
    if (kind === "room.typing" && sender !== this.#me) {
      clearTimeout(this.#users.get(sender)?.timer);
      const timer = setTimeout(() => this.clear(sender), SHOW_MILLISECONDS);
      this.#users.set(sender, { name, timer });
      this.#show();
    }
  }

  /**
   * Stop showing a user, for example because their message arrived.
   *
   * @param {string} user
   */
  clear(user) {
    clearTimeout(this.#users.get(user)?.timer);
    this.#users.delete(user);
    this.#show();
  }

  /** This user typed: send a notice unless one was sent recently. */
  typed() {
    const now = Date.now();
    if (now - this.#sentAt > SEND_MILLISECONDS) {
      this.#sentAt = now;
      this.#connection.sendLive(`/app/rooms.${this.#room}.typing`);
    }
  }

  /** This user sent a message: the next `typed` sends a notice at once. */
  messageSent() {
    this.#sentAt = 0;
  }

  #show() {
    const [first, second, ...others] = [...this.#users.values()].map(({ name }) => name);
    if (first === undefined) {
      this.#text.replaceChildren();
    } else if (second === undefined) {
      this.#text.replaceChildren(...sentence`${first} is typing…`);
    } else if (others.length === 0) {
      this.#text.replaceChildren(...sentence`${first} and ${second} are typing…`);
    } else {
      this.#text.replaceChildren("Several people are typing…");
    }
  }
}
