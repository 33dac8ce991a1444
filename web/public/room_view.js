/**
 * The room that is open: its lines, and where one writes.
 *
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./outbox.js").Draft} Draft
 * @typedef {import("./outbox.js").Outbox} Outbox
 * @typedef {import("./rest.js").ChatEvent} ChatEvent
 * @typedef {import("./rest.js").Rest} Rest
 * @typedef {import("./room_list.js").RoomList} RoomList
 * @typedef {import("./rest.js").User} User
 */

import { Composer } from "./composer.js";
import { byId } from "./element.js";
import { Invitation } from "./invitation.js";
import { MessageList } from "./message_list.js";
import { Presence } from "./presence.js";
import { explain } from "./problem.js";
import { Timeline } from "./timeline.js";
import { Typing } from "./typing.js";

const GONE = new Set(["member.left", "member.removed", "member.banned"]);

/** Shows one room at a time. */
export class RoomView {
  #me;
  #rest;
  #connection;
  #outbox;
  #rooms;
  #list;
  #composer;
  #invitation;
  /** Id of the room that is open; what else is known of it the list of rooms knows. */
  #open = "";
  /** @type {Timeline | null} */
  #timeline = null;
  /** @type {Typing | null} */
  #typing = null;
  /** @type {Presence | null} */
  #presence = null;
  #unfollow = () => {};
  #section = byId("room", HTMLElement);
  #nowhere = byId("nowhere", HTMLElement);
  #name = byId("room-name", HTMLHeadingElement);
  #error = byId("room-error", HTMLParagraphElement);
  #scroller = byId("scroller", HTMLDivElement);
  #older = byId("older", HTMLButtonElement);
  #newest = byId("newest", HTMLButtonElement);

  /**
   * @param {User} me
   * @param {Rest} rest
   * @param {Connection} connection
   * @param {Outbox} outbox
   * @param {RoomList} rooms
   * @param {AbortSignal} signal
   */
  constructor(me, rest, connection, outbox, rooms, signal) {
    this.#me = me;
    this.#rest = rest;
    this.#connection = connection;
    this.#outbox = outbox;
    this.#rooms = rooms;
    this.#list = new MessageList(byId("messages", HTMLOListElement), this.#scroller, me, outbox);
    this.#invitation = new Invitation(rest, signal);
    this.#composer = new Composer(signal, {
      typed: () => this.#typing?.wrote(),
      written: (text) => this.#send(text),
    });
    outbox.addEventListener("changed", (event) => this.#drafted(event), { signal });
    this.#older.addEventListener("click", () => this.#showOlder(), { signal });
    this.#newest.addEventListener("click", () => this.#list.scrollToEnd(), { signal });
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { signal });
    byId("invite", HTMLButtonElement).addEventListener("click", () => this.#invite(), { signal });
    signal.addEventListener("abort", () => this.show(""));
  }

  /**
   * Show the room with this id, or none.
   *
   * @param {string} room
   */
  show(room) {
    if (room && this.#open === room && this.#timeline?.state.name !== "closed") {
      this.#describe();
      return;
    }
    this.#leave();
    this.#section.hidden = !room;
    this.#nowhere.hidden = Boolean(room);
    if (room) {
      this.#enter(room);
    }
  }

  /** @param {string} room */
  #enter(room) {
    this.#open = room;
    this.#describe();
    this.#composer.open(room);
    this.#follow(room);
    const timeline = new Timeline(room, this.#rest, this.#connection);
    timeline.addEventListener("added", (event) => this.#added(timeline, event));
    timeline.addEventListener("cleared", () => this.#showDrafts());
    timeline.addEventListener("older", () => (this.#older.hidden = !timeline.hasOlder));
    timeline.addEventListener("state", () => this.#timelineChanged(timeline));
    this.#timeline = timeline;
    this.#showDrafts();
    this.#timelineChanged(timeline);
    timeline.open();
  }

  /**
   * Follow what does not last: who writes, who comes and goes.
   *
   * @param {string} room
   */
  #follow(room) {
    const connection = this.#connection;
    const me = this.#me.id;
    const typing = new Typing(room, me, connection, byId("typing", HTMLParagraphElement));
    const shown = byId("present", HTMLParagraphElement);
    const presence = new Presence(room, me, this.#rest, shown);
    this.#typing = typing;
    this.#presence = presence;
    this.#unfollow = connection.subscribe(`/topic/rooms.${room}.live`, {
      onBegin: () => presence.load(),
      onEvent: (event) => {
        typing.heard(event);
        presence.heard(event);
      },
    });
  }

  #leave() {
    const timeline = this.#timeline;
    this.#timeline = null;
    timeline?.close();
    this.#unfollow();
    this.#unfollow = () => {};
    this.#typing?.close();
    this.#typing = null;
    this.#presence?.close();
    this.#presence = null;
    this.#open = "";
    this.#invitation.hide();
    this.#list.clear();
    this.#composer.close();
    this.#older.hidden = true;
    this.#newest.hidden = true;
    this.#error.textContent = "";
  }

  /** Show what the list of rooms knows of this one. */
  #describe() {
    const room = this.#rooms.find(this.#open);
    if (room) {
      this.#name.textContent = room.name;
      const closed = this.#timeline?.state.name === "closed";
      const reason = room.archived ? "This room is archived" : "";
      this.#composer.allow(!room.archived && !closed, reason);
    }
  }

  #showDrafts() {
    this.#list.clear();
    for (const draft of this.#outbox.drafts(this.#open)) {
      this.#list.showDraft(draft);
    }
    this.#list.scrollToEnd();
  }

  /**
   * Send, and return whether the text is taken care of.
   *
   * @param {string} text
   */
  #send(text) {
    if (!this.#open) {
      return false;
    }
    try {
      this.#outbox.add(this.#open, text);
    } catch (error) {
      this.#error.textContent = explain(error);
      return false;
    }
    this.#error.textContent = this.#timeline?.state.reason ?? "";
    this.#typing?.sent();
    this.#list.scrollToEnd();
    return true;
  }

  /** @param {Event} event */
  #drafted(event) {
    /** @type {Draft} */
    const draft = /** @type {CustomEvent} */ (event).detail;
    if (draft.room === this.#open) {
      this.#list.showDraft(draft);
    }
  }

  /**
   * @param {Timeline} timeline
   * @param {Event} happened
   */
  #added(timeline, happened) {
    if (timeline !== this.#timeline) {
      return;
    }
    /** @type {ChatEvent} */
    const event = /** @type {CustomEvent} */ (happened).detail;
    if (event.sender === this.#me.id) {
      this.#outbox.remove(event.key);
    }
    const atEnd = this.#list.atEnd;
    this.#list.add(event);
    if (timeline.state.name === "open") {
      this.#typing?.stopped(event.sender);
      if (!atEnd && event.kind === "message.created" && event.sender !== this.#me.id) {
        this.#newest.hidden = false;
      }
      this.#heed(timeline, event);
    }
  }

  /**
   * Let an event of the room itself take effect here.
   *
   * @param {Timeline} timeline
   * @param {ChatEvent} event
   */
  #heed(timeline, { kind, data }) {
    if (GONE.has(kind) && data.user === this.#me.id) {
      timeline.close("You are no longer a member of this room.");
    } else if (kind === "room.updated") {
      this.#rooms.change(timeline.room, { name: data.name });
    } else if (kind === "room.archived") {
      this.#rooms.change(timeline.room, { archived: true });
    }
  }

  /** @param {Timeline} timeline */
  #timelineChanged(timeline) {
    if (timeline === this.#timeline) {
      const { name, reason } = timeline.state;
      this.#scroller.setAttribute("aria-busy", String(name === "loading"));
      this.#error.textContent = reason;
      this.#describe();
      if (name === "open") {
        this.#list.scrollToEnd();
      }
    }
  }

  async #showOlder() {
    const { scrollHeight, scrollTop } = this.#scroller;
    this.#older.disabled = true;
    this.#error.textContent = "";
    try {
      await this.#timeline?.older();
      this.#scroller.scrollTop = this.#scroller.scrollHeight - (scrollHeight - scrollTop);
    } catch (error) {
      this.#error.textContent = explain(error);
    } finally {
      this.#older.disabled = false;
      if (this.#older.hidden) {
        this.#scroller.focus({ preventScroll: true });
      }
    }
  }

  #scrolled() {
    if (this.#list.atEnd) {
      this.#newest.hidden = true;
    }
  }

  async #invite() {
    const room = this.#open;
    this.#error.textContent = "";
    try {
      if (room) {
        await this.#invitation.show(room, () => this.#open === room);
      }
    } catch (error) {
      this.#error.textContent = explain(error);
    }
  }
}
