/**
 * @import { Draft, LiveEvent, RoomEvent, User } from "../types.js"
 * @import { Connection } from "./connection.js"
 * @import { Outbox } from "./outbox.js"
 * @import { Rest } from "./rest.js"
 * @import { RoomList } from "./room_list.js"
 */

import { Composer } from "./composer.js";
import { byId } from "./element.js";
import { InvitePanel } from "./invite_panel.js";
import { MessageList } from "./message_list.js";
import { Presence } from "./presence.js";
import { messageOf } from "./problem.js";
import { Timeline } from "./timeline.js";
import { Typing } from "./typing.js";

/** Shows the open room: its messages, who is present or typing, and the form to write. */
export class RoomView {
  #me;
  #rest;
  #connection;
  #outbox;
  #rooms;
  #list;
  #composer;
  #invitePanel;
  /** Id of the open room, empty for none; its properties are in the list of rooms. */
  #room = "";
  /** @type {Timeline | null} */
  #timeline = null;
  /** @type {Typing | null} */
  #typing = null;
  /** @type {Presence | null} */
  #presence = null;
  #unsubscribe = () => {};
  #section = byId("room", HTMLElement);
  #noRoom = byId("no-room", HTMLElement);
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
    this.#invitePanel = new InvitePanel(rest, signal);
    this.#composer = new Composer(signal, {
      onType: () => this.#typing?.typed(),
      onSubmit: (text) => this.#send(text),
    });
    outbox.on("changed", (draft) => this.#draftChanged(draft), signal);
    this.#older.addEventListener("click", () => this.#loadOlder(), { signal });
    this.#newest.addEventListener("click", () => this.#list.scrollToEnd(), { signal });
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { signal });
    byId("invite", HTMLButtonElement).addEventListener("click", () => this.#invite(), { signal });
    signal.addEventListener("abort", () => this.show(""));
  }

  /**
   * Show a room; a timeline that was closed is opened again.
   *
   * @param {string} room empty for none
   */
  show(room) {
    if (room && this.#room === room && this.#timeline?.state.name !== "closed") {
      this.#showProperties();
      return;
    }
    this.#close();
    this.#section.hidden = !room;
    this.#noRoom.hidden = Boolean(room);
    if (room) {
      this.#open(room);
    }
  }

  /** @param {string} room */
  #open(room) {
    this.#room = room;
    this.#showProperties();
    this.#composer.open(room);
    this.#subscribeLive(room);
    const timeline = new Timeline(room, this.#rest, this.#connection);
    timeline.on("added", (event) => this.#eventAdded(timeline, event));
    timeline.on("cleared", () => this.#showDrafts());
    timeline.on("older", () => (this.#older.hidden = !timeline.hasOlder));
    timeline.on("state", () => this.#timelineChanged(timeline));
    this.#timeline = timeline;
    this.#showDrafts();
    this.#timelineChanged(timeline);
    timeline.open();
  }

  /**
   * Subscribe to live events: typing and presence.
   *
   * @param {string} room
   */
  #subscribeLive(room) {
    const connection = this.#connection;
    const me = this.#me.id;
    const typing = new Typing(room, me, connection, byId("typing", HTMLParagraphElement));
    const text = byId("present", HTMLParagraphElement);
    const presence = new Presence(room, me, this.#rest, text);
    this.#typing = typing;
    this.#presence = presence;
    this.#unsubscribe = connection.subscribe(`/topic/rooms.${room}.live`, {
      onSubscribed: () => presence.load(),
      onEvent: (/** @type {LiveEvent} */ event) => {
        typing.onEvent(event);
        presence.onEvent(event);
      },
    });
  }

  #close() {
    const timeline = this.#timeline;
    this.#timeline = null;
    timeline?.close();
    this.#unsubscribe();
    this.#unsubscribe = () => {};
    this.#typing?.close();
    this.#typing = null;
    this.#presence?.close();
    this.#presence = null;
    this.#room = "";
    this.#invitePanel.hide();
    this.#list.clear();
    this.#composer.close();
    this.#older.hidden = true;
    this.#newest.hidden = true;
    this.#error.textContent = "";
  }

  /** Show what the list of rooms knows about the open room. */
  #showProperties() {
    const room = this.#rooms.find(this.#room);
    if (room) {
      this.#name.textContent = room.name;
      const isClosed = this.#timeline?.state.name === "closed";
      const reason = room.archived ? "This room is archived" : "";
      this.#composer.setEnabled(!room.archived && !isClosed, reason);
    }
  }

  #showDrafts() {
    this.#list.clear();
    for (const draft of this.#outbox.drafts(this.#room)) {
      this.#list.showDraft(draft);
    }
    this.#list.scrollToEnd();
  }

  /**
   * Put a text into the outbox and return whether that succeeded.
   *
   * @param {string} text
   */
  #send(text) {
    if (!this.#room) {
      return false;
    }
    try {
      this.#outbox.add(this.#room, text);
    } catch (error) {
      this.#error.textContent = messageOf(error);
      return false;
    }
    this.#error.textContent = this.#timeline?.state.reason ?? "";
    this.#typing?.messageSent();
    this.#list.scrollToEnd();
    return true;
  }

  /** @param {Draft} draft */
  #draftChanged(draft) {
    if (draft.room === this.#room) {
      this.#list.showDraft(draft);
    }
  }

  /**
   * @param {Timeline} timeline
   * @param {RoomEvent} event
   */
  #eventAdded(timeline, event) {
    if (timeline !== this.#timeline) {
      return;
    }
    if (event.sender === this.#me.id) {
      this.#outbox.remove(event.key);
    }
    const atEnd = this.#list.atEnd;
    this.#list.add(event);
    if (timeline.state.name === "open") {
      this.#typing?.clear(event.sender);
      if (!atEnd && event.kind === "message.created" && event.sender !== this.#me.id) {
        this.#newest.hidden = false;
      }
      this.#apply(timeline, event);
    }
  }

  /**
   * Apply an event that changes the room or ends this user's membership.
   *
   * @param {Timeline} timeline
   * @param {RoomEvent} event
   */
  #apply(timeline, { kind, data }) {
    switch (kind) {
      case "member.left":
      case "member.removed":
      case "member.banned":
        if (data.user === this.#me.id) {
          timeline.close("You are no longer a member of this room.");
        }
        break;
      case "room.updated":
        this.#rooms.change(timeline.room, { name: data.name });
        break;
      case "room.archived":
        this.#rooms.change(timeline.room, { archived: true });
        break;
    }
  }

  /** @param {Timeline} timeline */
  #timelineChanged(timeline) {
    if (timeline === this.#timeline) {
      const { name, reason } = timeline.state;
      this.#scroller.setAttribute("aria-busy", String(name === "loading"));
      this.#error.textContent = reason;
      this.#showProperties();
      if (name === "open") {
        this.#list.scrollToEnd();
      }
    }
  }

  async #loadOlder() {
    const { scrollHeight, scrollTop } = this.#scroller;
    this.#older.disabled = true;
    this.#error.textContent = "";
    try {
      await this.#timeline?.loadOlder();
      this.#scroller.scrollTop = this.#scroller.scrollHeight - (scrollHeight - scrollTop);
    } catch (error) {
      this.#error.textContent = messageOf(error);
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
    const room = this.#room;
    this.#error.textContent = "";
    try {
      if (room) {
        await this.#invitePanel.show(room, () => this.#room === room);
      }
    } catch (error) {
      this.#error.textContent = messageOf(error);
    }
  }
}
