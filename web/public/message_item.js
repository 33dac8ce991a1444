/**
 * One line of the room: a message, a notice, or a draft on its way.
 *
 * @typedef {import("./outbox.js").Draft} Draft
 * @typedef {import("./rest.js").ChatEvent} ChatEvent
 */

import { element } from "./element.js";
import { notice } from "./notices.js";

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
/** Messages of one person this close together are shown as one block. */
const BLOCK_MILLISECONDS = 300_000;

/** @type {Record<Draft["state"], string>} */
const FATES = {
  waiting: "Waiting for the connection",
  sending: "Sending…",
  sent: "Sent",
  refused: "Not sent.",
};

/** An element, with what its place among the others depends on. */
export class MessageItem {
  element;
  /** Place in the room; empty as long as it has none. */
  id = "";
  #author;
  #at;
  #isNotice = false;
  #fate = element("p", { class: "fate" });

  /**
   * @param {string} author id of who wrote it
   * @param {string} at
   */
  constructor(author, at) {
    this.element = element("li");
    this.#author = author;
    this.#at = new Date(at);
  }

  /**
   * Return the item of an event, or null if there is nothing to show.
   *
   * @param {ChatEvent} event
   * @param {string} me
   */
  static of(event, me) {
    const item = new MessageItem(event.sender, event.at);
    if (event.kind === "message.created") {
      item.#write(event.sender_name, String(event.data.text), event.sender === me);
    } else {
      const parts = notice(event);
      if (parts.length === 0) {
        return null;
      }
      item.#isNotice = true;
      item.element.className = "told";
      item.element.append(element("p", {}, ...parts));
    }
    item.place(event);
    return item;
  }

  /**
   * @param {Draft} draft
   * @param {{id: string, display_name: string}} me
   */
  static ofDraft(draft, me) {
    const item = new MessageItem(me.id, draft.at);
    item.#write(me.display_name, draft.text, true);
    item.element.append(item.#fate);
    return item;
  }

  /**
   * Take the place that the event has in the room.
   *
   * @param {ChatEvent} event
   */
  place(event) {
    this.id = event.id;
    this.#at = new Date(event.at);
    this.element.dataset.id = event.id;
    delete this.element.dataset.state;
    this.#fate.remove();
    const time = this.element.querySelector("time");
    if (time) {
      this.#showTime(time);
    }
  }

  /**
   * Show what has become of a draft.
   *
   * @param {Draft} draft
   * @param {{retry: () => void, discard: () => void}} choices
   */
  showFate(draft, { retry, discard }) {
    this.element.dataset.state = draft.state;
    this.#fate.replaceChildren(FATES[draft.state]);
    if (draft.state === "refused") {
      const again = element("button", { type: "button" }, "Retry");
      const away = element("button", { type: "button" }, "Discard");
      again.addEventListener("click", retry);
      away.addEventListener("click", discard);
      this.#fate.setAttribute("role", "alert");
      this.#fate.append(` ${draft.refusal} `, again, " ", away);
    } else {
      this.#fate.removeAttribute("role");
    }
  }

  /**
   * Show day and author only where they are others than those of the item before.
   *
   * @param {MessageItem | undefined} before
   */
  follow(before) {
    const day = DAY.format(this.#at);
    if (before && DAY.format(before.#at) === day) {
      delete this.element.dataset.day;
    } else {
      this.element.dataset.day = day;
    }
    const goesOn =
      before !== undefined &&
      !before.#isNotice &&
      !this.#isNotice &&
      before.#author === this.#author &&
      Math.abs(this.#at.getTime() - before.#at.getTime()) < BLOCK_MILLISECONDS;
    this.element.classList.toggle("goes-on", goesOn && !this.element.dataset.day);
  }

  /**
   * @param {string} name
   * @param {string} text
   * @param {boolean} mine
   */
  #write(name, text, mine) {
    const time = element("time");
    this.#showTime(time);
    this.element.className = mine ? "message mine" : "message";
    this.element.append(
      element("p", { class: "author" }, element("bdi", {}, name)),
      element("p", { class: "text", dir: "auto" }, text),
      time,
    );
  }

  /** @param {HTMLTimeElement} time */
  #showTime(time) {
    time.dateTime = this.#at.toISOString();
    time.title = MOMENT.format(this.#at);
    time.textContent = TIME.format(this.#at);
  }
}
