/**
 * A connection that keeps itself up: it comes back after every loss, opens its subscriptions again
 * where they were, and always has a token that holds.
 *
 * @typedef {import("./rest.js").ChatEvent} ChatEvent
 * @typedef {import("./session.js").Session} Session
 * @typedef {import("./stomp.js").Frame} Frame
 * @typedef {{name: "connecting" | "open" | "waiting" | "stopped", reason: string,
 *   retryAt: number}} State
 * @typedef {{onEvent: (event: ChatEvent) => void, since?: () => string,
 *   onBegin?: (resumed: boolean) => void, onRefused?: (problem: Problem) => void}} Follower
 * @typedef {{destination: string, follower: Follower}} Subscription
 * @typedef {{resolve: (headers: Record<string, string>) => void,
 *   reject: (error: Error) => void}} Waiting
 */

import { Backoff } from "./backoff.js";
import { Problem, Unreachable } from "./problem.js";
import { StompSocket } from "./stomp_socket.js";

const ERRORS = "/user/queue/errors";
const ERRORS_ID = "errors";
const PAUSE_MILLISECONDS = 2_500;

/** Close codes of the gateway with a meaning of their own here; others mean: come back. */
const UNAUTHENTICATED = 4401;
const LOGIN_ENDED = 4410;
const STAY_AWAY = new Set([4400, 4403]);

/** Throws an event `state` whenever `state` is another. */
export class Connection extends EventTarget {
  /** @type {State} */
  state = { name: "stopped", reason: "", retryAt: 0 };
  #url;
  #session;
  /** @type {StompSocket | null} */
  #socket = null;
  /** @type {Map<string, Subscription>} */
  #subscriptions = new Map();
  /** @type {Map<string, Waiting>} */
  #receipts = new Map();
  #count = 0;
  #backoff = new Backoff();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} url
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(url, session, signal) {
    super();
    this.#url = url;
    this.#session = session;
    session.addEventListener("renewed", () => this.#showToken(), { signal });
  }

  /** Connect now, also if an attempt was to be made later only. */
  connect() {
    clearTimeout(this.#timer);
    if (this.state.name === "waiting" || this.state.name === "stopped") {
      this.#open();
    }
  }

  /** End the connection; `connect` begins another one. */
  stop(reason = "") {
    clearTimeout(this.#timer);
    this.#socket?.leave();
    this.#socket = null;
    this.#change("stopped", reason);
    this.#lose();
  }

  /**
   * Follow a destination until the function returned is called, over however many connections.
   *
   * @param {string} destination
   * @param {Follower} follower
   */
  subscribe(destination, follower) {
    const subscription = { destination, follower };
    this.#begin(subscription);
    return () => this.#finish(subscription);
  }

  /**
   * Send, and return the headers of the RECEIPT; throws Problem if the server refused, and
   * Unreachable if the connection was lost before anybody could know.
   *
   * @param {string} destination
   * @param {Record<string, string>} headers
   * @param {string} body
   * @returns {Promise<Record<string, string>>}
   */
  send(destination, headers, body) {
    if (this.state.name !== "open") {
      return Promise.reject(new Unreachable());
    }
    const receipt = this.#name();
    return new Promise((resolve, reject) => {
      this.#receipts.set(receipt, { resolve, reject });
      this.#write("SEND", { destination, receipt, ...headers }, body);
    });
  }

  /**
   * Send what nobody needs to know the fate of.
   *
   * @param {string} destination
   */
  tell(destination) {
    this.#write("SEND", { destination });
  }

  async #open() {
    this.#change("connecting");
    let token;
    try {
      token = await this.#session.accessToken();
    } catch (error) {
      if (this.state.name === "connecting") {
        this.#retry(error instanceof Error ? error.message : "");
      }
      return;
    }
    if (this.state.name === "connecting" && !this.#socket) {
      this.#socket = new StompSocket(this.#url, token, {
        connected: () => this.#connected(),
        frame: (frame) => this.#take(frame),
        closed: ({ code, reason }) => this.#closed(code, reason),
      });
    }
  }

  #connected() {
    this.#backoff.opened();
    this.state = { name: "open", reason: "", retryAt: 0 };
    // First, so that no refusal costs the connection.
    this.#write("SUBSCRIBE", { id: ERRORS_ID, destination: ERRORS });
    const wanted = [...this.#subscriptions.values()];
    this.#subscriptions.clear();
    for (const subscription of wanted) {
      this.#begin(subscription);
    }
    this.dispatchEvent(new Event("state"));
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #closed(code, reason) {
    this.#socket = null;
    if (code === LOGIN_ENDED) {
      this.#change("stopped", reason);
      this.#lose();
      this.#session.end("This login was ended. Please log in again.");
      return;
    }
    if (STAY_AWAY.has(code)) {
      this.#change("stopped", reason);
    } else {
      this.#retry(reason);
    }
    this.#lose();
    if (code === UNAUTHENTICATED) {
      // Whatever comes of it shows when the next attempt asks for the token.
      this.#session.renew().catch(() => undefined);
    }
  }

  /** @param {string} reason */
  #retry(reason) {
    const pause = this.#backoff.next();
    this.#change("waiting", reason, Date.now() + pause);
    this.#timer = setTimeout(() => this.connect(), pause);
  }

  /** Tell everyone who waits for a RECEIPT that it will not come. */
  #lose() {
    const waiting = [...this.#receipts.values()];
    this.#receipts.clear();
    for (const { reject } of waiting) {
      reject(new Unreachable());
    }
  }

  /** @param {Frame} frame */
  #take({ command, headers, body }) {
    if (command === "RECEIPT") {
      this.#settle(headers["receipt-id"], ({ resolve }) => resolve(headers));
    } else if (command === "MESSAGE" && headers.subscription === ERRORS_ID) {
      this.#refused(JSON.parse(body));
    } else if (command === "MESSAGE") {
      this.#subscriptions.get(headers.subscription)?.follower.onEvent(JSON.parse(body));
    }
  }

  /** @param {import("./problem.js").ProblemDocument} document */
  #refused(document) {
    const problem = new Problem(document);
    const receipt = document["receipt-id"];
    if (typeof receipt === "string") {
      this.#settle(receipt, ({ reject }) => reject(problem));
    }
  }

  /**
   * @param {string} receipt
   * @param {(waiting: Waiting) => void} settle
   */
  #settle(receipt, settle) {
    const waiting = this.#receipts.get(receipt);
    if (waiting) {
      this.#receipts.delete(receipt);
      settle(waiting);
    }
  }

  /**
   * Open a subscription if there is a connection; otherwise it opens with the next one.
   *
   * @param {Subscription} subscription
   */
  #begin(subscription) {
    const id = this.#name();
    this.#subscriptions.set(id, subscription);
    if (this.state.name === "open") {
      const { destination, follower } = subscription;
      const since = follower.since?.();
      const receipt = this.#name();
      this.#receipts.set(receipt, {
        resolve: ({ resumed }) => follower.onBegin?.(resumed !== "false"),
        reject: (error) => this.#notBegun(id, subscription, error),
      });
      this.#write("SUBSCRIBE", { id, destination, receipt, ...(since && { since }) });
    }
  }

  /**
   * @param {string} id
   * @param {Subscription} subscription
   * @param {Error} error
   */
  #notBegun(id, subscription, error) {
    if (!(error instanceof Problem) || this.#subscriptions.get(id) !== subscription) {
      return; // the connection is lost, or nobody wants it any more
    }
    if (error.passing) {
      setTimeout(() => {
        if (this.#subscriptions.get(id) === subscription && this.state.name === "open") {
          this.#subscriptions.delete(id);
          this.#begin(subscription);
        }
      }, PAUSE_MILLISECONDS);
    } else {
      this.#subscriptions.delete(id);
      subscription.follower.onRefused?.(error);
    }
  }

  /** @param {Subscription} subscription */
  #finish(subscription) {
    for (const [id, known] of this.#subscriptions) {
      if (known === subscription) {
        this.#subscriptions.delete(id);
        this.#write("UNSUBSCRIBE", { id });
      }
    }
  }

  #showToken() {
    if (this.state.name === "open") {
      // Refused or lost, the server ends the connection when the old token does; then it is new.
      this.#session
        .accessToken()
        .then((token) => this.send("/app/token", { Authorization: `Bearer ${token}` }, ""))
        .catch(() => undefined);
    }
  }

  /**
   * @param {string} command
   * @param {Record<string, string>} headers
   * @param {string} [body]
   */
  #write(command, headers, body) {
    if (this.state.name === "open") {
      this.#socket?.write(command, headers, body);
    }
  }

  #name() {
    this.#count += 1;
    return `${this.#count}`;
  }

  /**
   * @param {State["name"]} name
   * @param {string} [reason]
   * @param {number} [retryAt]
   */
  #change(name, reason = "", retryAt = 0) {
    this.state = { name, reason, retryAt };
    this.dispatchEvent(new Event("state"));
  }
}
