/**
 * The user's session with the auth service, and its tokens.
 *
 * Tokens are kept in localStorage, so a reload or a new tab needs no password, and all tabs share
 * one session and its refresh tokens. The cost is that any script in this page can read them.
 * Therefore the Content-Security-Policy allows only the server's own script files, and text from
 * users is never parsed as HTML. An HttpOnly cookie would need CSRF protection on the server, and
 * the WebSocket would still need the token here.
 *
 * @import { TokenGrant, User } from "../types.js"
 * @typedef {{access_token: string, refresh_token: string, life: number, renew_at: number,
 *   expires_at: number, user: User}} Tokens
 */

import { Emitter } from "./emitter.js";
import { Problem } from "./problem.js";
import { request } from "./request.js";
import { load, remove, save } from "./storage.js";

const STORAGE_KEY = "madang.login";
const LOCK = "madang.refresh";
/** Fraction of a token's lifetime after which it is renewed. */
const RENEW_AFTER = 0.75;
/** A token that expires sooner than this is renewed before use. */
const MARGIN_MILLISECONDS = 5_000;
const RETRY_MILLISECONDS = 3_000;
/** Longest delay that setTimeout accepts. */
const MAX_TIMER_MILLISECONDS = 2 ** 31 - 1;

/**
 * Emits `started`, `renewed` when there is a fresh token, and `ended` with the reason, undefined if
 * the user logged out.
 *
 * @extends {Emitter<{started: void, renewed: void, ended: string | undefined}>}
 */
export class Session extends Emitter {
  /** Whether the session survives a reload; not if the browser refuses to store it. */
  stored = true;
  /** @type {Tokens | null} */
  #tokens = storedTokens();
  /** @type {Promise<string> | null} */
  #renewal = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  constructor() {
    super();
    window.addEventListener("storage", (event) => {
      if (event.key === STORAGE_KEY || event.key === null) {
        this.#changedInOtherTab();
      }
    });
    this.#scheduleRenewal();
  }

  /** The user who is logged in, or null. */
  get user() {
    return this.#tokens?.user ?? null;
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
    /** @type {TokenGrant} */
    const grant = await request("POST", "/api/auth/v1/login", { body });
    /** @type {User} */
    const user = await request("GET", "/api/auth/v1/me", { token: grant.access_token });
    this.#store(grant, user);
    this.emit("started", undefined);
  }

  /** End the session here at once, then on the server if that can be reached. */
  async logOut() {
    const tokens = this.#tokens;
    this.end();
    if (tokens) {
      const body = { refresh_token: tokens.refresh_token };
      await request("POST", "/api/auth/v1/logout", { body }).catch(() => undefined);
    }
  }

  /**
   * Delete the tokens.
   *
   * @param {string} [reason] for the user; none if the user logged out
   */
  end(reason) {
    if (this.#tokens) {
      clearTimeout(this.#timer);
      this.#tokens = null;
      remove("localStorage", STORAGE_KEY);
      this.emit("ended", reason);
    }
  }

  /** Return an access token that is valid for a while; throws Problem or Unreachable. */
  async accessToken() {
    const tokens = this.#required();
    const margin = Math.min(MARGIN_MILLISECONDS, tokens.life / 10);
    return Date.now() < tokens.expires_at - margin ? tokens.access_token : this.renew();
  }

  /**
   * Return a fresh access token; throws Problem or Unreachable. Concurrent calls, in all tabs, use
   * the refresh token once, because the server accepts it only once.
   *
   * @param {string} [refused] the access token that the server refused, if any
   */
  async renew(refused) {
    const tokens = this.#required();
    if (refused !== undefined && refused !== tokens.access_token) {
      return tokens.access_token;
    }
    this.#renewal ??= withLock(() => this.#refresh()).finally(() => {
      this.#renewal = null;
      this.#scheduleRenewal();
    });
    return this.#renewal;
  }

  async #refresh() {
    const current = this.#required();
    const stored = storedTokens();
    if (stored?.user.id === current.user.id && stored.refresh_token !== current.refresh_token) {
      this.#adopt(stored); // another tab has refreshed already
      return stored.access_token;
    }
    try {
      const body = { refresh_token: current.refresh_token };
      /** @type {TokenGrant} */
      const grant = await request("POST", "/api/auth/v1/refresh", { body });
      if (this.#tokens?.user.id === current.user.id) {
        this.#store(grant, current.user);
        this.emit("renewed", undefined);
      }
      return grant.access_token;
    } catch (error) {
      if (error instanceof Problem && !error.retryable && this.#tokens === current) {
        this.end("Your session is no longer valid. Log in again.");
      }
      throw error;
    }
  }

  /**
   * Use the tokens of another tab.
   *
   * @param {Tokens} tokens
   */
  #adopt(tokens) {
    this.#tokens = tokens;
    this.stored = true;
    this.#scheduleRenewal();
    this.emit("renewed", undefined);
  }

  /**
   * @param {TokenGrant} grant
   * @param {User} user
   */
  #store(grant, user) {
    const life = grant.expires_in * 1000;
    this.#tokens = {
      access_token: grant.access_token,
      refresh_token: grant.refresh_token,
      life,
      renew_at: Date.now() + life * RENEW_AFTER,
      expires_at: Date.now() + life,
      user,
    };
    this.stored = save("localStorage", STORAGE_KEY, this.#tokens);
    if (!this.stored) {
      remove("localStorage", STORAGE_KEY); // the old refresh token must not be used again
    }
    this.#scheduleRenewal();
  }

  #scheduleRenewal() {
    clearTimeout(this.#timer);
    if (this.#tokens) {
      const due = this.#tokens.renew_at - Date.now();
      const delay = due > 0 ? Math.min(due, MAX_TIMER_MILLISECONDS) : RETRY_MILLISECONDS;
      // A failed renewal sets the timer again.
      this.#timer = setTimeout(() => this.#tokens && this.renew().catch(() => undefined), delay);
    }
  }

  #changedInOtherTab() {
    const stored = storedTokens();
    const before = this.#tokens;
    if (before?.user.id !== stored?.user.id) {
      location.reload(); // the other tab logged out, or logged in as another user
    } else if (stored && stored.refresh_token !== before?.refresh_token) {
      this.#adopt(stored);
    }
  }

  #required() {
    if (!this.#tokens) {
      throw new Problem({ title: "You are not logged in. Log in again." }, 401);
    }
    return this.#tokens;
  }
}

/**
 * Run `action` under a lock that all tabs share. Browsers have no locks in pages without TLS; there
 * the server's grace period for a refresh token that arrives twice has to do.
 *
 * @param {() => Promise<string>} action
 * @returns {Promise<string>}
 */
async function withLock(action) {
  return navigator.locks ? navigator.locks.request(LOCK, action) : action();
}

function storedTokens() {
  const tokens = /** @type {Partial<Tokens> | null} */ (load("localStorage", STORAGE_KEY));
  return tokens?.refresh_token && tokens.user?.id ? /** @type {Tokens} */ (tokens) : null;
}
