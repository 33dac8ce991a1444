/**
 * Who is logged in here, and their tokens.
 *
 * The tokens are kept in localStorage. So a reload or a new tab needs no password, and all tabs
 * share one login and one row of refresh tokens; but whatever script runs in this page can read
 * them. That is why the server's policy allows only scripts of its own files and why nothing that
 * anybody wrote is ever read as HTML. A cookie out of the scripts' reach would need a server that
 * answers for it against forged requests, and the WebSocket would still need the token here.
 *
 * @typedef {import("./rest.js").User} User
 * @typedef {{access_token: string, refresh_token: string, life: number, renew_at: number,
 *   expires_at: number, user: User}} Login
 */

import { Problem } from "./problem.js";
import { request } from "./rest.js";
import { forget, keep, recall } from "./storage.js";

const STORED_AS = "madang.login";
const LOCK = "madang.refresh";
/** Part of a token's life after which it is renewed, well before anything refuses it. */
const RENEWED_AFTER = 0.75;
const SPARE_MILLISECONDS = 5_000;
const PAUSE_MILLISECONDS = 3_000;
const LONGEST_TIMER = 2 ** 31 - 1;

/** Throws events `began`, `renewed` and `ended` (whose `detail` says why, if there is a reason). */
export class Session extends EventTarget {
  /** Whether the login outlasts this page; where the browser refuses to store it, it does not. */
  stored = true;
  /** @type {Login | null} */
  #login = read();
  /** @type {Promise<string> | null} */
  #renewal = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  constructor() {
    super();
    window.addEventListener("storage", (event) => {
      if (event.key === STORED_AS || event.key === null) {
        this.#changedElsewhere();
      }
    });
    this.#schedule();
  }

  /** The user who is logged in, if anybody is. */
  get user() {
    return this.#login?.user ?? null;
  }

  /**
   * @param {string} username
   * @param {string} password
   * @param {string} displayName
   */
  async register(username, password, displayName) {
    const body = { username, password, ...(displayName && { display_name: displayName }) };
    await request("POST", "/api/auth/v1/register", { body });
  }

  /**
   * @param {string} username
   * @param {string} password
   */
  async logIn(username, password) {
    const body = { username, password, device: "Web page" };
    const grant = await request("POST", "/api/auth/v1/login", { body });
    const user = await request("GET", "/api/auth/v1/me", { token: grant.access_token });
    this.#keep(grant, user);
    this.dispatchEvent(new Event("began"));
  }

  /** Forget the login here at once, then end it on the server if that can be reached. */
  async logOut() {
    const login = this.#login;
    this.end();
    if (login) {
      const body = { refresh_token: login.refresh_token };
      await request("POST", "/api/auth/v1/logout", { body }).catch(() => undefined);
    }
  }

  /**
   * Forget the login; say why if that was not the user's wish.
   *
   * @param {string} [reason]
   */
  end(reason) {
    if (this.#login) {
      clearTimeout(this.#timer);
      this.#login = null;
      forget("localStorage", STORED_AS);
      this.dispatchEvent(new CustomEvent("ended", { detail: reason }));
    }
  }

  /** Return an access token that still holds for a while; throws if there is none to be had. */
  async accessToken() {
    const login = this.#known();
    const spare = Math.min(SPARE_MILLISECONDS, login.life / 10);
    return Date.now() < login.expires_at - spare ? login.access_token : this.renew();
  }

  /**
   * Return a fresh access token. However many ask at the same time, in whichever tab, the refresh
   * token is used once: it would not do twice.
   *
   * @param {string} [refused] the token that was refused, if one was
   */
  async renew(refused) {
    const login = this.#known();
    if (refused !== undefined && refused !== login.access_token) {
      return login.access_token;
    }
    this.#renewal ??= exclusively(() => this.#renewNow()).finally(() => {
      this.#renewal = null;
      this.#schedule();
    });
    return this.#renewal;
  }

  async #renewNow() {
    const mine = this.#known();
    const stored = read();
    if (stored && stored.user.id === mine.user.id && stored.refresh_token !== mine.refresh_token) {
      this.#take(stored); // another tab has been quicker
      return stored.access_token;
    }
    try {
      const body = { refresh_token: mine.refresh_token };
      const grant = await request("POST", "/api/auth/v1/refresh", { body });
      if (this.#login?.user.id === mine.user.id) {
        this.#keep(grant, mine.user);
        this.dispatchEvent(new Event("renewed"));
      }
      return grant.access_token;
    } catch (error) {
      if (error instanceof Problem && !error.passing && this.#login === mine) {
        this.end("Your login has ended. Please log in again.");
      }
      throw error;
    }
  }

  /** @param {Login} login */
  #take(login) {
    this.#login = login;
    this.stored = true;
    this.#schedule();
    this.dispatchEvent(new Event("renewed"));
  }

  /**
   * @param {{access_token: string, refresh_token: string, expires_in: number}} grant
   * @param {User} user
   */
  #keep(grant, user) {
    const life = grant.expires_in * 1000;
    this.#login = {
      access_token: grant.access_token,
      refresh_token: grant.refresh_token,
      life,
      renew_at: Date.now() + life * RENEWED_AFTER,
      expires_at: Date.now() + life,
      user,
    };
    this.stored = keep("localStorage", STORED_AS, this.#login);
    if (!this.stored) {
      forget("localStorage", STORED_AS); // a refresh token that was used must not be used again
    }
    this.#schedule();
  }

  #schedule() {
    clearTimeout(this.#timer);
    if (this.#login) {
      const due = this.#login.renew_at - Date.now();
      const delay = due > 0 ? Math.min(due, LONGEST_TIMER) : PAUSE_MILLISECONDS;
      // Not having a fresh token yet is no error here: the timer is set again.
      this.#timer = setTimeout(() => this.#login && this.renew().catch(() => undefined), delay);
    }
  }

  #changedElsewhere() {
    const stored = read();
    const before = this.#login;
    if (before?.user.id !== stored?.user.id) {
      location.reload(); // another tab logged out, or in as somebody else
    } else if (stored && stored.refresh_token !== before?.refresh_token) {
      this.#take(stored);
    }
  }

  #known() {
    if (!this.#login) {
      throw new Problem({ title: "Log in first" }, 401);
    }
    return this.#login;
  }
}

/**
 * Run `action` while no other tab does; where the browser has no locks (a page without TLS), the
 * server's short patience with a refresh token that comes twice has to do.
 *
 * @param {() => Promise<string>} action
 * @returns {Promise<string>}
 */
async function exclusively(action) {
  return navigator.locks ? navigator.locks.request(LOCK, action) : action();
}

/** @returns {Login | null} */
function read() {
  const login = recall("localStorage", STORED_AS);
  return login?.refresh_token && login.user?.id ? login : null;
}
