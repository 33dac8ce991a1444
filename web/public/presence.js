/**
 * @import { LiveEvent } from "../types.js"
 * @import { Rest } from "./rest.js"
 */

import { nameElement } from "./element.js";
import { Problem } from "./problem.js";

const MAX_NAMES = 3;
const RETRY_MILLISECONDS = 5_000;
/** Large rooms list only some users and may skip notices, so they are loaded again. */
const REFRESH_MILLISECONDS = 60_000;

/**
 * Shows who is present in the open room: loads the list when the subscription starts and applies
 * presence notices to it.
 */
export class Presence {
  #room;
  #me;
  #rest;
  #text;
  /** Name of each listed user by id. @type {Map<string, string>} */
  #names = new Map();
  #count = 0;
  #loadedAt = "";
  /**
   * Latest notice about each user by the server's clock; `name` is null for a user who left.
   *
   * @type {Map<string, {at: string, name: string | null}>}
   */
  #notices = new Map();
  #loads = 0;
  #closed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} room
   * @param {string} me id of this user
   * @param {Rest} rest
   * @param {HTMLElement} text shows who is present
   */
  constructor(room, me, rest, text) {
    this.#room = room;
    this.#me = me;
    this.#rest = rest;
    this.#text = text;
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#text.textContent = "";
    this.#text.title = "";
  }

  /** Load the list; notices that are newer than it are applied to it. */
  async load() {
    clearTimeout(this.#timer);
    this.#loads += 1;
    const load = this.#loads;
    const isCurrent = () => !this.#closed && load === this.#loads;
    let page;
    try {
      page = await this.#rest.presence(this.#room);
    } catch (error) {
      if (isCurrent() && !(error instanceof Problem && !error.retryable)) {
        this.#loadAfter(RETRY_MILLISECONDS);
      }
      return;
    }
    if (!isCurrent()) {
      return;
    }
    this.#names = new Map(page.items.map(({ user, name }) => [user, name]));
    this.#count = page.count;
    this.#loadedAt = page.at;
    const notices = [...this.#notices];
    this.#notices.clear();
    for (const [user, { at, name }] of notices) {
      this.#apply(user, name, at);
    }
    this.#show();
    if (page.next) {
      this.#loadAfter(REFRESH_MILLISECONDS * (1 + Math.random()));
    }
  }

  /** @param {LiveEvent} event */
  onEvent({ kind, at, data }) {
    if (kind === "presence.joined") {
      this.#apply(data.user, data.name, at);
    } else if (kind === "presence.left") {
      this.#apply(data.user, null, at);
    } else {
      return;
    }
    this.#show();
  }

  /**
   * Apply a notice unless a newer one, or a newer list, is known.
   *
   * @param {string} user
   * @param {string | null} name null if the user left
   * @param {string} at
   */
  #apply(user, name, at) {
    if (at < this.#loadedAt || at < (this.#notices.get(user)?.at ?? "")) {
      return;
    }
    this.#notices.set(user, { at, name });
    const isListed = this.#names.has(user);
    if (name !== null) {
      this.#names.set(user, name);
      this.#count += isListed ? 0 : 1;
    } else if (this.#names.delete(user)) {
      this.#count -= 1;
    }
  }

  /** @param {number} milliseconds */
  #loadAfter(milliseconds) {
    this.#timer = setTimeout(() => this.load(), milliseconds);
  }

  #show() {
    const others = [...this.#names].filter(([user]) => user !== this.#me);
    /** @type {(Node | string)[]} */
    const names = others.slice(0, MAX_NAMES).map(([, name]) => nameElement(name));
    // If the list is incomplete, this user is counted even when not listed.
    const isCounted = this.#names.has(this.#me) || this.#count > this.#names.size;
    const rest = this.#count - (isCounted ? 1 : 0) - names.length;
    if (rest > 0 && names.length > 0) {
      names.push(rest === 1 ? "1 other" : `${rest} others`);
    }
    const parts = names.flatMap((part, index) => [separator(index, names.length), part]);
    if (names.length > 0) {
      parts.push(names.length > 1 ? " are here" : " is here");
    }
    this.#text.replaceChildren(...parts);
    this.#text.title = parts.map(titlePart).join("");
  }
}

/**
 * Return the text before the name at `index` in a list of `count` names.
 *
 * @param {number} index
 * @param {number} count
 */
function separator(index, count) {
  if (index === 0) {
    return "";
  }
  return index === count - 1 ? " and " : ", ";
}

/**
 * Return a part of the sentence for the title, which is plain text: names are put in quotation
 * marks, and in a Unicode isolate against the direction of the text around them.
 *
 * @param {Node | string} part
 */
function titlePart(part) {
  return typeof part === "string" ? part : `\u2068“${part.textContent}”\u2069`;
}
