/**
 * @import { EventPage, Invite, Page, PresencePage, ReceivedInvite, Room } from "../types.js"
 * @import { Session } from "./session.js"
 */

import { Problem } from "./problem.js";
import { request } from "./request.js";

const PAGE_SIZE = 50;

/** REST calls that this client makes for the user who is logged in. */
export class Rest {
  #session;

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
  }

  /** Return all rooms of the user. */
  async rooms() {
    const rooms = [];
    let cursor = null;
    do {
      const query = new URLSearchParams({ limit: "100", ...(cursor && { cursor }) });
      /** @type {Page<Room>} */
      const page = await this.#call("GET", `/api/rooms/v1/rooms?${query}`);
      rooms.push(...page.items);
      cursor = page.next;
    } while (cursor);
    return rooms;
  }

  /**
   * @param {string} name
   * @param {Room["visibility"]} visibility
   * @returns {Promise<Room>}
   */
  createRoom(name, visibility) {
    return this.#call("POST", "/api/rooms/v1/rooms", { name, visibility });
  }

  /**
   * Create an invite link for a room.
   *
   * @param {string} room
   * @returns {Promise<Invite>}
   */
  invite(room) {
    return this.#call("POST", `/api/rooms/v1/rooms/${encodeURIComponent(room)}/invites`);
  }

  /** Return the invites that the user received. */
  async receivedInvites() {
    /** @type {Page<ReceivedInvite>} */
    const page = await this.#call("GET", "/api/rooms/v1/invites?limit=100");
    return page.items;
  }

  /**
   * @param {string} code
   * @returns {Promise<Room>}
   */
  accept(code) {
    return this.#call("POST", `/api/rooms/v1/invites/${encodeURIComponent(code)}/accept`);
  }

  /**
   * Decline an invite; its sender is not notified.
   *
   * @param {string} code
   * @returns {Promise<void>}
   */
  decline(code) {
    return this.#call("POST", `/api/rooms/v1/invites/${encodeURIComponent(code)}/decline`);
  }

  /**
   * Block invites from a user, who is not notified.
   *
   * @param {string} user
   * @returns {Promise<void>}
   */
  block(user) {
    return this.#call("PUT", `/api/rooms/v1/blocks/${encodeURIComponent(user)}`);
  }

  /**
   * Return who is present in a room.
   *
   * @param {string} room
   * @returns {Promise<PresencePage>}
   */
  presence(room) {
    return this.#call(
      "GET",
      `/api/gateway/v1/rooms/${encodeURIComponent(room)}/presence?limit=100`,
    );
  }

  /**
   * Return the newest events of a room, or those before a cursor.
   *
   * @param {string} room
   * @param {string} [before]
   * @returns {Promise<EventPage>}
   */
  events(room, before) {
    const query = new URLSearchParams({ limit: String(PAGE_SIZE), ...(before && { before }) });
    return this.#call("GET", `/api/history/v1/rooms/${encodeURIComponent(room)}/events?${query}`);
  }

  /**
   * Send a request with the access token; if the token is refused, once more with a fresh one.
   *
   * @template Result
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<Result>}
   */
  async #call(method, path, body) {
    const token = await this.#session.accessToken();
    try {
      return await request(method, path, { body, token });
    } catch (error) {
      if (!(error instanceof Problem && error.status === 401)) {
        throw error;
      }
      const fresh = await this.#session.renew(token);
      return request(method, path, { body, token: fresh });
    }
  }
}
