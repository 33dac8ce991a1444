/**
 * Who else is in the room just now.
 *
 * @typedef {import("./rest.js").ChatEvent} ChatEvent
 * @typedef {import("./rest.js").Rest} Rest
 */

import { name as nameOf } from "./element.js";
import { Problem } from "./problem.js";

const MOST_NAMES = 3;
const RETRY_MILLISECONDS = 5_000;
/** Where not all are listed, notices do not tell everything, or not at all. */
const REFRESH_MILLISECONDS = 60_000;

const GONE = null;

/** Asks who is there when the subscription begins, and follows who comes and goes. */
export class Presence {
  #room;
  #me;
  #rest;
  #shown;
  /** @type {Map<string, string>} */
  #names = new Map();
  #count = 0;
  #loadedAt = "";
  /**
   * The last notice about each user; of two, the one that is later by the server's clock counts.
   *
   * @type {Map<string, {at: string, name: string | null}>}
   */
  #told = new Map();
  #loads = 0;
  #closed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} room
   * @param {string} me
   * @param {Rest} rest
   * @param {HTMLElement} shown where to show it
   */
  constructor(room, me, rest, shown) {
    this.#room = room;
    this.#me = me;
    this.#rest = rest;
    this.#shown = shown;
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#shown.textContent = "";
    this.#shown.title = "";
  }

  /** Ask who is there: notices tell the rest from here on. */
  async load() {
    clearTimeout(this.#timer);
    this.#loads += 1;
    const load = this.#loads;
    const isWanted = () => !this.#closed && load === this.#loads;
    let page;
    try {
      page = await this.#rest.present(this.#room);
    } catch (error) {
      if (isWanted() && !(error instanceof Problem && !error.passing)) {
        this.#loadIn(RETRY_MILLISECONDS);
      }
      return;
    }
    if (!isWanted()) {
      return;
    }
    this.#names = new Map(page.items.map(({ user, name }) => [user, name]));
    this.#count = page.count;
    this.#loadedAt = page.at;
    const told = [...this.#told];
    this.#told.clear();
    for (const [user, { at, name }] of told) {
      this.#apply(user, name, at);
    }
    this.#show();
    if (page.next) {
      this.#loadIn(REFRESH_MILLISECONDS * (1 + Math.random()));
    }
  }

  /** @param {ChatEvent} event */
  heard({ kind, at, data }) {
    if (kind === "presence.joined") {
      this.#apply(data.user, data.name, at);
    } else if (kind === "presence.left") {
      this.#apply(data.user, GONE, at);
    } else {
      return;
    }
    this.#show();
  }

  /**
   * @param {string} user
   * @param {string | null} name their name, or `GONE`
   * @param {string} at
   */
  #apply(user, name, at) {
    if (at < this.#loadedAt || at < (this.#told.get(user)?.at ?? "")) {
      return;
    }
    this.#told.set(user, { at, name });
    const isKnown = this.#names.has(user);
    if (name !== GONE) {
      this.#names.set(user, name);
      this.#count += isKnown ? 0 : 1;
    } else if (this.#names.delete(user)) {
      this.#count -= 1;
    }
  }

  /** @param {number} milliseconds */
  #loadIn(milliseconds) {
    this.#timer = setTimeout(() => this.load(), milliseconds);
  }

  #show() {
    const others = [...this.#names].filter(([user]) => user !== this.#me);
    /** @type {(Node | string)[]} */
    const names = others.slice(0, MOST_NAMES).map(([, name]) => nameOf(name));
    // Where not all are listed, I am one of the others.
    const isCounted = this.#names.has(this.#me) || this.#count > this.#names.size;
    const rest = this.#count - (isCounted ? 1 : 0) - names.length;
    if (rest > 0 && names.length > 0) {
      names.push(rest === 1 ? "1 other" : `${rest} others`);
    }
    const parts = names.flatMap((part, index) => [separator(index, names.length), part]);
    if (names.length > 0) {
      parts.push(names.length > 1 ? " are here" : " is here");
    }
    this.#shown.replaceChildren(...parts);
    this.#shown.title = parts.map(inTitle).join("");
  }
}

/**
 * Return what stands in front of a name in a list of names.
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
 * Return a part of the sentence as a title has it: there a name is set apart by marks.
 *
 * @param {Node | string} part
 */
function inTitle(part) {
  return typeof part === "string" ? part : `\u2068“${part.textContent}”\u2069`;
}
