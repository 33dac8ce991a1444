/** @import { Draft, RoomEvent, User } from "../types.js" */

import { element } from "./element.js";
import { notice } from "./notices.js";

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const DATE_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
/** Messages of one author within this time are shown as one group. */
const GROUP_MILLISECONDS = 300_000;

/** @type {Record<Draft["state"], string>} */
const STATES = {
  waiting: "Waiting for the connection",
  sending: "Sending…",
  sent: "Sent",
  refused: "Not sent.",
};

/** List item of a room: a message, a notice, or a draft. */
export class MessageItem {
  element;
  /** Id of the event, empty for a draft. */
  id = "";
  #author;
  #at;
  #isNotice = false;
  #state = element("p", { class: "state" });

  /**
   * @param {string} author id of the author
   * @param {string} at
   */
  constructor(author, at) {
    this.element = element("li");
    this.#author = author;
    this.#at = new Date(at);
  }

  /**
   * Return the item of an event, or null if the event is not shown.
   *
   * @param {RoomEvent} event
   * @param {string} me id of this user
   */
  static ofEvent(event, me) {
    const item = new MessageItem(event.sender, event.at);
    if (event.kind === "message.created") {
      item.#addMessage(event.sender_name, event.data.text, event.sender === me);
    } else {
      const parts = notice(event);
      if (parts.length === 0) {
        return null;
      }
      item.#isNotice = true;
      item.element.className = "event-notice";
      item.element.append(element("p", {}, ...parts));
    }
    item.setEvent(event);
    return item;
  }

  /**
   * @param {Draft} draft
   * @param {User} me
   */
  static ofDraft(draft, me) {
    const item = new MessageItem(me.id, draft.at);
    item.#addMessage(me.display_name, draft.text, true);
    item.element.append(item.#state);
    return item;
  }

  /**
   * Take id and time from the event; a draft becomes a message.
   *
   * @param {RoomEvent} event
   */
  setEvent(event) {
    this.id = event.id;
    this.#at = new Date(event.at);
    this.element.dataset.id = event.id;
    delete this.element.dataset.state;
    this.#state.remove();
    const time = this.element.querySelector("time");
    if (time) {
      this.#showTime(time);
    }
  }

  /**
   * Show the state of a draft.
   *
   * @param {Draft} draft
   * @param {{onRetry: () => void, onDiscard: () => void}} handlers
   */
  showState(draft, { onRetry, onDiscard }) {
    this.element.dataset.state = draft.state;
    this.#state.replaceChildren(STATES[draft.state]);
    if (draft.state === "refused") {
      const retry = element("button", { type: "button" }, "Retry");
      const discard = element("button", { type: "button" }, "Discard");
      retry.addEventListener("click", onRetry);
      discard.addEventListener("click", onDiscard);
      this.#state.setAttribute("role", "alert");
      this.#state.append(` ${draft.refusal} `, retry, " ", discard);
    } else {
      this.#state.removeAttribute("role");
    }
  }

  /**
   * Show day and author only where they differ from those of the previous item.
   *
   * @param {MessageItem | undefined} previous
   */
  setPrevious(previous) {
    const day = DAY.format(this.#at);
    if (previous && DAY.format(previous.#at) === day) {
      delete this.element.dataset.day;
    } else {
      this.element.dataset.day = day;
    }
    const isGrouped =
      previous !== undefined &&
      !previous.#isNotice &&
      !this.#isNotice &&
      previous.#author === this.#author &&
      Math.abs(this.#at.getTime() - previous.#at.getTime()) < GROUP_MILLISECONDS;
    this.element.classList.toggle("grouped", isGrouped && !this.element.dataset.day);
  }

  /**
   * @param {string} name
   * @param {string} text
   * @param {boolean} isOwn
   */
  #addMessage(name, text, isOwn) {
    const time = element("time");
    this.#showTime(time);
    this.element.className = isOwn ? "message mine" : "message";
    this.element.append(
      element("p", { class: "author" }, element("bdi", {}, name)),
      element("p", { class: "text", dir: "auto" }, text),
      time,
    );
  }

  /** @param {HTMLTimeElement} time */
  #showTime(time) {
    time.dateTime = this.#at.toISOString();
    time.title = DATE_TIME.format(this.#at);
    time.textContent = TIME.format(this.#at);
  }
}
