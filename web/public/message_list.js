/**
 * The room's lines: events in their order, then the drafts that have no place yet.
 *
 * @typedef {import("./outbox.js").Draft} Draft
 * @typedef {import("./outbox.js").Outbox} Outbox
 * @typedef {import("./rest.js").ChatEvent} ChatEvent
 * @typedef {import("./rest.js").User} User
 */

import { MessageItem } from "./message_item.js";

/** How far from the end still counts as reading the end. */
const NEAR_PIXELS = 80;

/** Keeps the reader where they are: at the end, or at what they look at. */
export class MessageList {
  #list;
  #scroller;
  #me;
  #outbox;
  /** @type {MessageItem[]} */
  #items = [];
  /** @type {Map<string, MessageItem>} */
  #drafts = new Map();

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} scroller
   * @param {User} me
   * @param {Outbox} outbox
   */
  constructor(list, scroller, me, outbox) {
    this.#list = list;
    this.#scroller = scroller;
    this.#me = me;
    this.#outbox = outbox;
  }

  /** Whether the newest line is in view, or nearly. */
  get atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_PIXELS;
  }

  clear() {
    this.#items = [];
    this.#drafts.clear();
    this.#list.replaceChildren();
  }

  scrollToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** @param {ChatEvent} event */
  add(event) {
    const draft = event.sender === this.#me.id ? this.#drafts.get(event.key) : undefined;
    if (draft) {
      this.#takeOut(event.key, draft);
      draft.place(event);
    }
    const item = draft ?? MessageItem.of(event, this.#me.id);
    if (item) {
      this.#insert(item, this.#placeOf(event.id));
    }
  }

  /** @param {Draft} draft */
  showDraft(draft) {
    let item = this.#drafts.get(draft.key);
    if (!item) {
      item = MessageItem.ofDraft(draft, this.#me);
      this.#drafts.set(draft.key, item);
      this.#insert(item, this.#items.length);
    }
    const shown = item;
    this.#holding(() =>
      shown.showFate(draft, {
        retry: () => this.#outbox.retry(draft.key),
        discard: () => this.#discard(draft.key),
      }),
    );
  }

  /** @param {string} key */
  #discard(key) {
    const item = this.#drafts.get(key);
    this.#outbox.remove(key);
    if (item) {
      this.#takeOut(key, item);
      item.element.remove();
    }
  }

  /**
   * @param {string} key
   * @param {MessageItem} item
   */
  #takeOut(key, item) {
    const index = this.#items.indexOf(item);
    this.#drafts.delete(key);
    this.#items.splice(index, 1);
    this.#items[index]?.follow(this.#items[index - 1]);
  }

  /**
   * Return the index at which the event with `id` belongs; nearly always it is the last.
   *
   * @param {string} id
   */
  #placeOf(id) {
    let index = this.#items.length;
    while (index > 0 && (this.#items[index - 1].id === "" || this.#items[index - 1].id > id)) {
      index -= 1;
    }
    return index;
  }

  /**
   * @param {MessageItem} item
   * @param {number} index
   */
  #insert(item, index) {
    this.#holding(() => {
      const next = this.#items[index];
      this.#items.splice(index, 0, item);
      this.#list.insertBefore(item.element, next?.element ?? null);
      item.follow(this.#items[index - 1]);
      next?.follow(item);
    });
  }

  /**
   * Change the list without moving what the reader sees.
   *
   * @param {() => void} change
   */
  #holding(change) {
    const atEnd = this.atEnd;
    change();
    if (atEnd) {
      this.scrollToEnd();
    }
  }
}
