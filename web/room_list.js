/**
 * My rooms and invites, and the ways into another room.
 *
 * @typedef {import("./rest.js").ReceivedInvite} ReceivedInvite
 * @typedef {import("./rest.js").Rest} Rest
 * @typedef {import("./rest.js").Room} Room
 */

import { byId, element } from "./element.js";
import { onSubmit } from "./form.js";
import { inviteCode } from "./invitation.js";
import { explain, Problem } from "./problem.js";

const PAUSE_MILLISECONDS = 3_000;

/** Throws an event `changed` when the rooms are others than before. */
export class RoomList extends EventTarget {
  /** @type {Room[]} */
  rooms = [];
  /** Whether the rooms have come at all. */
  loaded = false;
  #rest;
  #signal;
  #goTo;
  #current = "";
  /** @type {Promise<void> | null} */
  #loading = null;
  #again = false;
  #list = byId("rooms", HTMLUListElement);
  #invites = byId("invites", HTMLUListElement);
  #error = byId("rooms-error", HTMLParagraphElement);

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
    const join = byId("join-room", HTMLFormElement);
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
   * @param {string} code
   */
  offer(code) {
    const input = byId("invite-code", HTMLInputElement);
    input.value = code;
    input.focus();
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
    this.rooms = rooms;
    this.loaded = true;
    this.#show();
    this.#invites.replaceChildren(...invites.map((invite) => this.#invite(invite)));
    this.dispatchEvent(new Event("changed"));
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
    const join = element("button", { type: "button" }, "Join");
    const text = element("span", {}, `${by.display_name} invites you to “${room.name}” `);
    join.addEventListener("click", async () => {
      join.disabled = true;
      try {
        this.#enter(await this.#rest.accept(code));
      } catch (error) {
        this.#error.textContent = explain(error);
      } finally {
        join.disabled = false;
      }
    });
    return element("li", {}, text, join);
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
