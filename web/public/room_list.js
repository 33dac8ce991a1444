/**
 * @import { ReceivedInvite, Room } from "../types.js"
 * @import { Rest } from "./rest.js"
 */

import { byId, element, sentence } from "./element.js";
import { Emitter } from "./emitter.js";
import { onSubmit } from "./form.js";
import { inviteCode } from "./invite_link.js";
import { messageOf, Problem } from "./problem.js";

const RETRY_MILLISECONDS = 3_000;

/**
 * The user's rooms and invites, and the forms to create or join a room. The only copy of the rooms
 * in this client.
 *
 * Emits `changed` when the rooms, or properties of a room, change.
 *
 * @extends {Emitter<{changed: void}>}
 */
export class RoomList extends Emitter {
  /** @type {Room[]} */
  rooms = [];
  /** Whether the rooms were loaded at least once. */
  loaded = false;
  #rest;
  #signal;
  #onEnter;
  #openRoom = "";
  /**
   * Changes by events since the current load began: its response may be older than they are.
   *
   * @type {Map<string, Partial<Room>>}
   */
  #changes = new Map();
  /** @type {Promise<void> | null} */
  #loading = null;
  #loadAgain = false;
  #list = byId("rooms", HTMLUListElement);
  #invites = byId("invites", HTMLUListElement);
  #error = byId("rooms-error", HTMLParagraphElement);
  #joinForm = byId("join-room", HTMLFormElement);
  #joinError = byId("join-error", HTMLParagraphElement);

  /**
   * @param {Rest} rest
   * @param {AbortSignal} signal
   * @param {(room: string) => void} onEnter called with the id of a room that the user created or
   *   joined
   */
  constructor(rest, signal, onEnter) {
    super();
    this.#rest = rest;
    this.#signal = signal;
    this.#onEnter = onEnter;
    const create = byId("create-room", HTMLFormElement);
    onSubmit(create, ["name"], signal, async ({ name }) => {
      this.#enter(await rest.createRoom(name, "private"));
      create.reset();
    });
    const join = this.#joinForm;
    onSubmit(join, ["code"], signal, async ({ code }) => {
      this.#enter(await rest.accept(inviteCode(code)));
      join.reset();
    });
    signal.addEventListener("abort", () => {
      this.#list.replaceChildren();
      this.#invites.replaceChildren();
      this.#error.textContent = "";
      create.reset();
      join.reset();
    });
  }

  /** Load rooms and invites; a call during a load causes one more load. */
  async load() {
    this.#loadAgain = true;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    await this.#loading;
  }

  /**
   * Fill in the join form with the code of an invite link.
   *
   * @param {string} code URI-encoded, as in the link
   */
  showInvite(code) {
    const input = byId("invite-code", HTMLInputElement);
    input.value = decodeUri(code);
    input.focus();
    this.#joinError.textContent = input.value
      ? ""
      : "This invite link is not valid. Ask for a new one.";
  }

  /**
   * Change properties of a room because of an event.
   *
   * @param {string} id
   * @param {Partial<Room>} changes
   */
  change(id, changes) {
    this.#changes.set(id, { ...this.#changes.get(id), ...changes });
    this.rooms = this.rooms.map((room) => this.#withChanges(room));
    this.#show();
    this.emit("changed", undefined);
  }

  /**
   * Mark the open room.
   *
   * @param {string} room empty for none
   */
  markOpen(room) {
    this.#openRoom = room;
    this.#show();
  }

  /** @param {string} id */
  find(id) {
    return this.rooms.find((room) => room.id === id) ?? null;
  }

  async #load() {
    while (this.#loadAgain && !this.#signal.aborted) {
      this.#loadAgain = false;
      this.#changes.clear();
      try {
        const [rooms, invites] = await Promise.all([
          this.#rest.rooms(),
          this.#rest.receivedInvites(),
        ]);
        this.#error.textContent = "";
        this.#set(rooms, invites);
      } catch (error) {
        this.#loadFailed(error);
      }
    }
  }

  /** @param {unknown} error */
  #loadFailed(error) {
    // Unreachable is not shown here: the status bar shows it, and a new connection loads again.
    this.#error.textContent = error instanceof Problem ? error.message : "";
    if (error instanceof Problem && error.retryable) {
      setTimeout(() => this.load(), RETRY_MILLISECONDS);
    }
  }

  /**
   * @param {Room[]} rooms
   * @param {ReceivedInvite[]} invites
   */
  #set(rooms, invites) {
    if (this.#signal.aborted) {
      return;
    }
    this.rooms = rooms.map((room) => this.#withChanges(room));
    this.loaded = true;
    this.#show();
    this.#invites.replaceChildren(...invites.map((invite) => this.#inviteItem(invite)));
    this.emit("changed", undefined);
  }

  /** @param {Room} room */
  #withChanges(room) {
    return { ...room, ...this.#changes.get(room.id) };
  }

  #show() {
    // Items are reused, so that a link keeps the focus.
    const known = new Map([...this.#list.children].map((item) => [item.id, item]));
    const items = this.rooms.map((room) => {
      const item = known.get(`room-${room.id}`) ?? roomItem(room);
      const link = item.querySelector("a");
      if (link) {
        link.textContent = room.name;
        if (room.id === this.#openRoom) {
          link.setAttribute("aria-current", "page");
        } else {
          link.removeAttribute("aria-current");
        }
      }
      return item;
    });
    const isSame =
      items.length === this.#list.children.length &&
      items.every((item, index) => item === this.#list.children[index]);
    if (!isSame) {
      this.#list.replaceChildren(...items);
    }
    byId("no-rooms", HTMLParagraphElement).hidden = !this.loaded || this.rooms.length > 0;
  }

  /** @param {ReceivedInvite} invite */
  #inviteItem({ code, room, by }) {
    const parts = sentence`${by.display_name} invites you to “${room.name}” `;
    const buttons = [
      this.#inviteButton("Join", async () => this.#enter(await this.#rest.accept(code))),
      this.#inviteButton("Decline", () => this.#rest.decline(code)),
      this.#inviteButton("Block", () => this.#rest.block(by.id)),
    ];
    return element("li", {}, element("span", {}, ...parts), ...buttons);
  }

  /**
   * Return a button that calls `action`, then loads the list again.
   *
   * @param {string} label
   * @param {() => Promise<void>} action
   */
  #inviteButton(label, action) {
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await action();
        this.load();
      } catch (error) {
        this.#error.textContent = messageOf(error);
      } finally {
        button.disabled = false;
      }
    });
    return button;
  }

  /** @param {Room} room */
  #enter(room) {
    if (!this.#signal.aborted) {
      this.rooms = [room, ...this.rooms.filter(({ id }) => id !== room.id)];
      this.#show();
      this.#onEnter(room.id);
      this.load();
    }
  }
}

/** @param {Room} room */
function roomItem({ id }) {
  const link = element("a", { href: `#room/${id}`, dir: "auto" });
  return element("li", { id: `room-${id}` }, link);
}

/**
 * Return the decoded text, empty if it is not valid URI encoding.
 *
 * @param {string} text
 */
function decodeUri(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
