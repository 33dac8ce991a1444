/**
 * My rooms and invites, and the ways into another room.
 *
 * @typedef {import("./rest.js").ReceivedInvite} ReceivedInvite
 * @typedef {import("./rest.js").Rest} Rest
 * @typedef {import("./rest.js").Room} Room
 */

import { byId, element, sentence } from "./element.js";
import { onSubmit } from "./form.js";
import { inviteCode } from "./invitation.js";
import { explain, Problem } from "./problem.js";

const PAUSE_MILLISECONDS = 3_000;

/**
 * All that is known here of my rooms, their names among it: nothing else on the page keeps a copy.
 *
 * Throws an event `changed` when the rooms are others than before, or something of them is.
 */
export class RoomList extends EventTarget {
  /** @type {Room[]} */
  rooms = [];
  /** Whether the rooms have come at all. */
  loaded = false;
  #rest;
  #signal;
  #goTo;
  #current = "";
  /**
   * What events told of rooms since the rooms were last asked for: the answer may be older.
   *
   * @type {Map<string, Partial<Room>>}
   */
  #told = new Map();
  /** @type {Promise<void> | null} */
  #loading = null;
  #again = false;
  #list = byId("rooms", HTMLUListElement);
  #invites = byId("invites", HTMLUListElement);
  #error = byId("rooms-error", HTMLParagraphElement);
  #joinForm = byId("join-room", HTMLFormElement);
  #joinError = byId("join-error", HTMLParagraphElement);

  /**
   * @param {Rest} rest
   * @param {AbortSignal} signal
   * @param {(room: string) => void} goTo
   */
  constructor(rest, signal, goTo) {
    super();
    this.#rest = rest;
    this.#signal = signal;
    this.#goTo = goTo;
    const create = byId("create-room", HTMLFormElement);
    onSubmit(create, signal, async ({ name }) => {
      this.#enter(await rest.createRoom(name, "private"));
      create.reset();
    });
    const join = this.#joinForm;
    onSubmit(join, signal, async ({ code }) => {
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

  /** Ask for the rooms and invites; what is asked for meanwhile is asked once more. */
  async load() {
    this.#again = true;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    await this.#loading;
  }

  /**
   * Offer to join with a code that came with the page's address.
   *
   * @param {string} code as it stands in the address
   */
  offer(code) {
    const input = byId("invite-code", HTMLInputElement);
    input.value = decoded(code);
    input.focus();
    this.#joinError.textContent = input.value ? "" : "This link is damaged. Ask for a new one.";
  }

  /**
   * Let an event of a room take effect on what is known of it.
   *
   * @param {string} id
   * @param {Partial<Room>} changes
   */
  change(id, changes) {
    this.#told.set(id, { ...this.#told.get(id), ...changes });
    this.rooms = this.rooms.map((room) => this.#upToDate(room));
    this.#show();
    this.dispatchEvent(new Event("changed"));
  }

  /**
   * Mark the room that is open.
   *
   * @param {string} room
   */
  mark(room) {
    this.#current = room;
    this.#show();
  }

  /** @param {string} id */
  find(id) {
    return this.rooms.find((room) => room.id === id) ?? null;
  }

  async #load() {
    while (this.#again && !this.#signal.aborted) {
      this.#again = false;
      this.#told.clear();
      try {
        const [rooms, invites] = await Promise.all([
          this.#rest.rooms(),
          this.#rest.receivedInvites(),
        ]);
        this.#error.textContent = "";
        this.#take(rooms, invites);
      } catch (error) {
        this.#notLoaded(error);
      }
    }
  }

  /** @param {unknown} error */
  #notLoaded(error) {
    // Unreachable is told by the connection's state, and mended with it.
    this.#error.textContent = error instanceof Problem ? explain(error) : "";
    if (error instanceof Problem && error.passing) {
      setTimeout(() => this.load(), PAUSE_MILLISECONDS);
    }
  }

  /**
   * @param {Room[]} rooms
   * @param {ReceivedInvite[]} invites
   */
  #take(rooms, invites) {
    if (this.#signal.aborted) {
      return;
    }
    this.rooms = rooms.map((room) => this.#upToDate(room));
    this.loaded = true;
    this.#show();
    this.#invites.replaceChildren(...invites.map((invite) => this.#invite(invite)));
    this.dispatchEvent(new Event("changed"));
  }

  /** @param {Room} room */
  #upToDate(room) {
    return { ...room, ...this.#told.get(room.id) };
  }

  #show() {
    // Elements that stay keep the focus.
    const known = new Map([...this.#list.children].map((item) => [item.id, item]));
    const wanted = this.rooms.map((room) => {
      const item = known.get(`room-${room.id}`) ?? roomItem(room);
      const link = item.querySelector("a");
      if (link) {
        link.textContent = room.name;
        if (room.id === this.#current) {
          link.setAttribute("aria-current", "page");
        } else {
          link.removeAttribute("aria-current");
        }
      }
      return item;
    });
    const same =
      wanted.length === this.#list.children.length &&
      wanted.every((item, index) => item === this.#list.children[index]);
    if (!same) {
      this.#list.replaceChildren(...wanted);
    }
    byId("no-rooms", HTMLParagraphElement).hidden = !this.loaded || this.rooms.length > 0;
  }

  /** @param {ReceivedInvite} invite */
  #invite({ code, room, by }) {
    const parts = sentence`${by.display_name} invites you to “${room.name}” `;
    const buttons = [
      this.#answer("Join", async () => this.#enter(await this.#rest.accept(code))),
      this.#answer("Decline", () => this.#rest.decline(code)),
      this.#answer("Block", () => this.#rest.block(by.id)),
    ];
    return element("li", {}, element("span", {}, ...parts), ...buttons);
  }

  /**
   * Return a button that answers an invite, after which the list is asked for again.
   *
   * @param {string} label
   * @param {() => Promise<unknown>} act
   */
  #answer(label, act) {
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await act();
        this.load();
      } catch (error) {
        this.#error.textContent = explain(error);
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
      this.#goTo(room.id);
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
 * Return the text behind a part of an address; empty if it is none.
 *
 * @param {string} part
 */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
