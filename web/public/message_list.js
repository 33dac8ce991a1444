/**
 * @import { Draft, RoomEvent, User } from "../types.js"
 * @import { Outbox } from "./outbox.js"
 */

import { MessageItem } from "./message_item.js";

/** Distance from the end within which the list counts as scrolled to the end. */
const NEAR_END_PIXELS = 80;

/**
 * Items of the open room: events by id, then drafts. A list that is scrolled to the end stays
 * there; otherwise the visible items stay in place.
 */
export class MessageList {
  #list;
  #scroller;
  #me;
  #outbox;
  /** @type {MessageItem[]} */
  #items = [];
  /** Drafts by key. @type {Map<string, MessageItem>} */
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

  /** Whether the list is scrolled to the end, or nearly. */
  get atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PIXELS;
  }

  clear() {
    this.#items = [];
    this.#drafts.clear();
    this.#list.replaceChildren();
  }

  scrollToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** @param {RoomEvent} event */
  add(event) {
    const draft = event.sender === this.#me.id ? this.#drafts.get(event.key) : undefined;
    if (draft) {
      this.#removeDraft(event.key, draft);
      draft.setEvent(event);
    }
    const item = draft ?? MessageItem.ofEvent(event, this.#me.id);
    if (item) {
      this.#insert(item, this.#indexFor(event.id));
    }
  }

  /** @param {Draft} draft */
  showDraft(draft) {
    const item = this.#drafts.get(draft.key) ?? this.#addDraft(draft);
    this.#keepingEnd(() =>
      item.showState(draft, {
        onRetry: () => this.#outbox.retry(draft.key),
        onDiscard: () => this.#discard(draft.key),
      }),
    );
  }

  /** @param {Draft} draft */
  #addDraft(draft) {
    const item = MessageItem.ofDraft(draft, this.#me);
    this.#drafts.set(draft.key, item);
    this.#insert(item, this.#items.length);
    return item;
  }

  /** @param {string} key */
  #discard(key) {
    const item = this.#drafts.get(key);
    this.#outbox.remove(key);
    if (item) {
      this.#removeDraft(key, item);
      item.element.remove();
    }
  }

  /**
   * @param {string} key
   * @param {MessageItem} item
   */
  #removeDraft(key, item) {
    const index = this.#items.indexOf(item);
    this.#drafts.delete(key);
    this.#items.splice(index, 1);
    this.#items[index]?.setPrevious(this.#items[index - 1]);
  }

  /**
   * Return the index for the event with this id: after all older events, before drafts.
   *
   * @param {string} id
   */
  #indexFor(id) {
    // From the end, because an event is nearly always the newest.
    return this.#items.findLastIndex((item) => item.id !== "" && item.id <= id) + 1;
  }

  /**
   * @param {MessageItem} item
   * @param {number} index
   */
  #insert(item, index) {
    this.#keepingEnd(() => {
      const next = this.#items[index];
      this.#items.splice(index, 0, item);
      this.#list.insertBefore(item.element, next?.element ?? null);
      item.setPrevious(this.#items[index - 1]);
      next?.setPrevious(item);
    });
  }

  /**
   * Change the list; if it is scrolled to the end, it stays there.
   *
   * @param {() => void} change
   */
  #keepingEnd(change) {
    const atEnd = this.atEnd;
    change();
    if (atEnd) {
      this.scrollToEnd();
    }
  }
}
