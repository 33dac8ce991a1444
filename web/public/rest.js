/**
 * The REST interface of the services, as far as this page uses it.
 *
 * @typedef {import("./session.js").Session} Session
 * @typedef {{id: string, username: string, display_name: string}} User
 * @typedef {{id: string, name: string, visibility: string, role: string | null,
 *   archived: boolean, members: number}} Room
 * @typedef {{code: string, expires_at: string, uses_left: number}} Invite
 * @typedef {{code: string, room: {id: string, name: string}, by: User}} ReceivedInvite
 * @typedef {{id: string, key: string, kind: string, room?: string, user?: string, sender: string,
 *   sender_name: string, at: string, data: Record<string, any>}} ChatEvent
 * @typedef {{items: {user: string, name: string}[], count: number, next: string | null,
 *   at: string}} PresentPage
 * @typedef {{items: ChatEvent[], before: string | null, after: string | null}} MessagePage
 */

import { Problem, Unreachable } from "./problem.js";

const ANSWER_MILLISECONDS = 20_000;
const PAGE_SIZE = 50;

/**
 * Ask the server and return its JSON answer, null if that is empty; throws Problem or Unreachable.
 *
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, token?: string}} [options]
 * @returns {Promise<any>}
 */
export async function request(method, path, { body, token } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  if (token !== undefined) {
    headers.Authorization = `Bearer ${token}`;
  }
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
    });
    text = await response.text();
  } catch {
    throw new Unreachable();
  }
  const answer = parsed(text);
  if (!response.ok) {
    throw new Problem(answer ?? {}, response.status);
  }
  return answer;
}

/** Calls in the name of whoever is logged in. */
export class Rest {
  #session;

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
  }

  /**
   * Return all rooms that I am in.
   *
   * @returns {Promise<Room[]>}
   */
  async rooms() {
    const rooms = [];
    let cursor = null;
    do {
      const query = new URLSearchParams({ limit: "100", ...(cursor && { cursor }) });
      const page = await this.#ask("GET", `/api/rooms/v1/rooms?${query}`);
      rooms.push(...page.items);
      cursor = page.next;
    } while (cursor);
    return rooms;
  }

  /**
   * @param {string} name
   * @param {string} visibility
   * @returns {Promise<Room>}
   */
  createRoom(name, visibility) {
    return this.#ask("POST", "/api/rooms/v1/rooms", { name, visibility });
  }

  /**
   * @param {string} room
   * @returns {Promise<Invite>}
   */
  invite(room) {
    return this.#ask("POST", `/api/rooms/v1/rooms/${encodeURIComponent(room)}/invites`);
  }

  /**
   * Return the invites that are for me.
   *
   * @returns {Promise<ReceivedInvite[]>}
   */
  async receivedInvites() {
    return (await this.#ask("GET", "/api/rooms/v1/invites?limit=100")).items;
  }

  /**
   * @param {string} code
   * @returns {Promise<Room>}
   */
  accept(code) {
    return this.#ask("POST", `/api/rooms/v1/invites/${encodeURIComponent(code)}/accept`);
  }

  /**
   * Let an invite go; whoever made it is not told.
   *
   * @param {string} code
   */
  decline(code) {
    return this.#ask("POST", `/api/rooms/v1/invites/${encodeURIComponent(code)}/decline`);
  }

  /**
   * Let a user invite me no more; they are not told.
   *
   * @param {string} user
   */
  block(user) {
    return this.#ask("PUT", `/api/rooms/v1/blocks/${encodeURIComponent(user)}`);
  }

  /**
   * Return who is in a room now, the first of them if there are very many.
   *
   * @param {string} room
   * @returns {Promise<PresentPage>}
   */
  present(room) {
    return this.#ask("GET", `/api/gateway/v1/rooms/${encodeURIComponent(room)}/presence?limit=100`);
  }

  /**
   * Return the newest events of a room, or those before an id, oldest first.
   *
   * @param {string} room
   * @param {string} [before]
   * @returns {Promise<MessagePage>}
   */
  messages(room, before) {
    const query = new URLSearchParams({ limit: String(PAGE_SIZE), ...(before && { before }) });
    return this.#ask("GET", `/api/history/v1/rooms/${encodeURIComponent(room)}/messages?${query}`);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  async #ask(method, path, body) {
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

/** @param {string} text */
function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null; // a proxy's own error page, say
  }
}
