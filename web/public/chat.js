/**
 * @typedef {import("./session.js").Session} Session
 * @typedef {import("./rest.js").User} User
 */

import { Connection } from "./connection.js";
import { byId } from "./element.js";
import { Outbox } from "./outbox.js";
import { Rest } from "./rest.js";
import { RoomList } from "./room_list.js";
import { RoomView } from "./room_view.js";
import { StatusBar } from "./status_bar.js";
import { StorageNotice } from "./storage_notice.js";

const ROOM = /^#room\/(.+)$/;
const JOIN = /^#join\/(.+)$/;

/** Everything that one logged-in user sees, until `close`. */
export class Chat {
  #closing = new AbortController();
  #connection;
  #outbox;
  #rooms;
  #view;
  #shown = byId("chat", HTMLDivElement);

  /**
   * @param {Session} session
   * @param {User} me
   */
  constructor(session, me) {
    const { signal } = this.#closing;
    const rest = new Rest(session);
    this.#connection = new Connection(socketUrl(), session, signal);
    this.#outbox = new Outbox(this.#connection, me.id, signal);
    this.#rooms = new RoomList(rest, signal, (room) => (location.hash = `#room/${room}`));
    this.#view = new RoomView(me, rest, this.#connection, this.#outbox, this.#rooms, signal);
    new StatusBar(this.#connection, signal);
    new StorageNotice(session, signal);
    byId("me", HTMLParagraphElement).textContent = me.display_name;
    byId("log-out", HTMLButtonElement).addEventListener("click", () => this.#logOut(session), {
      signal,
    });
    window.addEventListener("hashchange", () => this.#moved(), { signal });
    document.addEventListener("visibilitychange", () => this.#seen(), { signal });
    this.#rooms.addEventListener("changed", () => this.#go(), { signal });
    this.#begin();
  }

  /** End it, so that nothing of this user is left on the page. */
  close() {
    this.#closing.abort();
    this.#connection.stop();
    this.#shown.hidden = true;
    byId("me", HTMLParagraphElement).textContent = "";
  }

  #begin() {
    const { signal } = this.#closing;
    this.#shown.hidden = false;
    // Whatever came while there was no connection is in the rooms that are asked for then.
    this.#connection.subscribe("/user/queue/events", {
      onBegin: () => this.#rooms.load(),
      onEvent: () => this.#rooms.load(),
    });
    this.#connection.connect();
    this.#rooms.load();
    signal.addEventListener("abort", () => delete document.documentElement.dataset.connection);
  }

  /** @param {Session} session */
  #logOut(session) {
    const lost = "Some messages are not sent yet and will be lost. Log out nevertheless?";
    if (!this.#outbox.empty && !confirm(lost)) {
      return;
    }
    this.#outbox.clear();
    history.replaceState(null, "", location.pathname);
    session.logOut();
  }

  #moved() {
    this.#go();
    // No event tells of a room that is not open: it may have another name by now.
    this.#rooms.load();
  }

  #seen() {
    if (!document.hidden) {
      this.#rooms.load();
    }
  }

  /** Show what the page's address names. */
  #go() {
    const code = JOIN.exec(location.hash)?.[1];
    if (code) {
      history.replaceState(null, "", location.pathname);
      this.#rooms.offer(code);
    }
    const id = ROOM.exec(location.hash)?.[1] ?? "";
    const room = this.#rooms.find(id);
    if (!room && id && !this.#rooms.loaded) {
      return; // as soon as the rooms are here
    }
    this.#shown.classList.toggle("in-room", Boolean(room));
    this.#rooms.mark(room ? id : "");
    this.#view.show(room ? id : "");
  }
}

function socketUrl() {
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
