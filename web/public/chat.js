/**
 * @import { User } from "../types.js"
 * @import { Session } from "./session.js"
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

/** The page of a user who is logged in, until `close`. */
export class Chat {
  #closing = new AbortController();
  #connection;
  #outbox;
  #rooms;
  #view;
  #page = byId("chat", HTMLDivElement);

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
    window.addEventListener("hashchange", () => this.#hashChanged(), { signal });
    document.addEventListener("visibilitychange", () => this.#visibilityChanged(), { signal });
    this.#rooms.on("changed", () => this.#navigate(), signal);
    this.#start();
  }

  /** Remove everything of this user from the page. */
  close() {
    this.#closing.abort();
    this.#connection.stop();
    this.#page.hidden = true;
    byId("me", HTMLParagraphElement).textContent = "";
  }

  #start() {
    const { signal } = this.#closing;
    this.#page.hidden = false;
    // These events say that rooms or invites changed. Those of a time without a connection are
    // missing, so each new subscription loads too.
    this.#connection.subscribe("/user/queue/events", {
      onSubscribed: () => this.#rooms.load(),
      onEvent: () => this.#rooms.load(),
    });
    this.#connection.connect();
    this.#rooms.load();
    signal.addEventListener("abort", () => delete document.documentElement.dataset.connection);
  }

  /** @param {Session} session */
  #logOut(session) {
    const warning = "Unsent messages will be lost. Log out anyway?";
    if (!this.#outbox.empty && !confirm(warning)) {
      return;
    }
    this.#outbox.clear();
    history.replaceState(null, "", location.pathname);
    session.logOut();
  }

  #hashChanged() {
    this.#navigate();
    // No event tells that a room which is not open was renamed or archived.
    this.#rooms.load();
  }

  #visibilityChanged() {
    if (!document.hidden) {
      this.#rooms.load();
    }
  }

  /** Show the room, or the invite, in the location's hash. */
  #navigate() {
    const code = JOIN.exec(location.hash)?.[1];
    if (code) {
      history.replaceState(null, "", location.pathname);
      this.#rooms.showInvite(code);
    }
    const id = ROOM.exec(location.hash)?.[1] ?? "";
    const room = this.#rooms.find(id);
    if (!room && id && !this.#rooms.loaded) {
      return; // called again when the rooms are loaded
    }
    this.#page.classList.toggle("in-room", Boolean(room));
    this.#rooms.markOpen(room ? id : "");
    this.#view.show(room ? id : "");
  }
}

function socketUrl() {
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
