/**
 * @import { ConnectionState, Frame, FrameHeaders, ProblemDocument } from "../types.js"
 * @import { Session } from "./session.js"
 *
 * @typedef {object} Handlers
 * @property {() => string} [since] returns the id to resume after, asked at each SUBSCRIBE
 * @property {(resumed: boolean) => void} [onSubscribed] called at each RECEIPT of a SUBSCRIBE;
 *   `resumed` is false if events since then are missing
 * @property {(problem: Problem) => void} [onRefused] the subscription is over
 *
 * @typedef {Handlers & {destination: string, onMessage: (body: string) => void}} Subscription
 *
 * @typedef {{resolve: (headers: FrameHeaders) => void,
 *   reject: (error: Error) => void}} PendingReceipt
 */

import { Backoff } from "./backoff.js";
import { Emitter } from "./emitter.js";
import { messageOf, Problem, Unreachable } from "./problem.js";
import { StompSocket } from "./stomp_socket.js";

const ERROR_QUEUE = "/user/queue/errors";
const ERROR_QUEUE_ID = "errors";
const RESUBSCRIBE_MILLISECONDS = 2_500;

/** Close codes of the gateway that are handled here; after any other the client reconnects. */
const UNAUTHENTICATED = 4401;
const SESSION_ENDED = 4410;
const NO_RECONNECT = new Set([4400, 4403]);

/**
 * STOMP connection that reconnects with backoff, subscribes again where it was, and always uses a
 * valid token.
 *
 * Emits `state` at each change of `state`.
 *
 * @extends {Emitter<{state: void}>}
 */
export class Connection extends Emitter {
  /** @type {ConnectionState} */
  state = { name: "stopped", reason: "", retryAt: 0 };
  #url;
  #session;
  /** @type {StompSocket | null} */
  #socket = null;
  /** @type {Map<string, Subscription>} */
  #subscriptions = new Map();
  /** @type {Map<string, PendingReceipt>} */
  #pendingReceipts = new Map();
  #lastId = 0;
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
    session.on("renewed", () => this.#sendToken(), signal);
  }

  /** Connect now, even if the next attempt is scheduled for later. */
  connect() {
    clearTimeout(this.#timer);
    if (this.state.name === "waiting" || this.state.name === "stopped") {
      this.#open();
    }
  }

  /** Close the connection until `connect` is called. */
  stop(reason = "") {
    clearTimeout(this.#timer);
    this.#socket?.disconnect();
    this.#socket = null;
    this.#setState("stopped", reason);
    this.#rejectPendingReceipts();
  }

  /**
   * Subscribe to a destination, again on each new connection, and return a function that
   * unsubscribes.
   *
   * @template Event
   * @param {string} destination
   * @param {Handlers & {onEvent: (event: Event) => void}} handlers
   */
  subscribe(destination, { onEvent, ...handlers }) {
    const subscription = {
      ...handlers,
      destination,
      onMessage: (/** @type {string} */ body) => onEvent(JSON.parse(body)),
    };
    this.#subscribe(subscription);
    return () => this.#unsubscribe(subscription);
  }

  /**
   * Send, and return the headers of the RECEIPT; throws Problem if the server refuses, and
   * Unreachable if the connection is lost before the RECEIPT.
   *
   * @param {string} destination
   * @param {FrameHeaders} headers
   * @param {string} body
   * @returns {Promise<FrameHeaders>}
   */
  send(destination, headers, body) {
    if (this.state.name !== "open") {
      return Promise.reject(new Unreachable());
    }
    const receipt = this.#nextId();
    return new Promise((resolve, reject) => {
      this.#pendingReceipts.set(receipt, { resolve, reject });
      this.#write("SEND", { destination, receipt, ...headers }, body);
    });
  }

  /**
   * Send without a receipt, if the connection is open.
   *
   * @param {string} destination
   */
  sendLive(destination) {
    this.#write("SEND", { destination });
  }

  async #open() {
    this.#setState("connecting");
    let token;
    try {
      token = await this.#session.accessToken();
    } catch (error) {
      if (this.state.name === "connecting") {
        this.#scheduleRetry(messageOf(error));
      }
      return;
    }
    if (this.state.name === "connecting" && !this.#socket) {
      this.#socket = new StompSocket(this.#url, token, {
        onConnected: () => this.#connected(),
        onFrame: (frame) => this.#receive(frame),
        onClosed: ({ code, reason }) => this.#closed(code, reason),
      });
    }
  }

  #connected() {
    this.#backoff.opened();
    this.state = { name: "open", reason: "", retryAt: 0 };
    // Subscribed first: without it the gateway answers a refusal with ERROR and closes.
    this.#write("SUBSCRIBE", { id: ERROR_QUEUE_ID, destination: ERROR_QUEUE });
    const subscriptions = [...this.#subscriptions.values()];
    this.#subscriptions.clear();
    for (const subscription of subscriptions) {
      this.#subscribe(subscription);
    }
    this.emit("state", undefined);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #closed(code, reason) {
    this.#socket = null;
    if (code === SESSION_ENDED) {
      this.#setState("stopped", reason);
      this.#rejectPendingReceipts();
      this.#session.end("Your session was ended. Log in again.");
      return;
    }
    if (NO_RECONNECT.has(code)) {
      this.#setState("stopped", reason);
    } else {
      this.#scheduleRetry(reason);
    }
    this.#rejectPendingReceipts();
    if (code === UNAUTHENTICATED) {
      // If this fails, the next attempt asks for a token again and reports it.
      this.#session.renew().catch(() => undefined);
    }
  }

  /** @param {string} reason */
  #scheduleRetry(reason) {
    const delay = this.#backoff.next();
    this.#setState("waiting", reason, Date.now() + delay);
    this.#timer = setTimeout(() => this.connect(), delay);
  }

  #rejectPendingReceipts() {
    const pending = [...this.#pendingReceipts.values()];
    this.#pendingReceipts.clear();
    for (const { reject } of pending) {
      reject(new Unreachable());
    }
  }

  /** @param {Frame} frame */
  #receive({ command, headers, body }) {
    if (command === "RECEIPT") {
      this.#takePendingReceipt(headers["receipt-id"])?.resolve(headers);
    } else if (command === "MESSAGE" && headers.subscription === ERROR_QUEUE_ID) {
      /** @type {ProblemDocument} */
      const document = JSON.parse(body);
      this.#takePendingReceipt(document["receipt-id"])?.reject(new Problem(document));
    } else if (command === "MESSAGE") {
      this.#subscriptions.get(headers.subscription ?? "")?.onMessage(body);
    }
  }

  /** @param {string} [receipt] */
  #takePendingReceipt(receipt = "") {
    const pending = this.#pendingReceipts.get(receipt);
    this.#pendingReceipts.delete(receipt);
    return pending;
  }

  /**
   * Register a subscription and, if the connection is open, send its SUBSCRIBE.
   *
   * @param {Subscription} subscription
   */
  #subscribe(subscription) {
    const id = this.#nextId();
    this.#subscriptions.set(id, subscription);
    if (this.state.name === "open") {
      const { destination } = subscription;
      const since = subscription.since?.();
      const receipt = this.#nextId();
      this.#pendingReceipts.set(receipt, {
        resolve: ({ resumed }) => subscription.onSubscribed?.(resumed !== "false"),
        reject: (error) => this.#subscribeFailed(id, subscription, error),
      });
      this.#write("SUBSCRIBE", { id, destination, receipt, ...(since && { since }) });
    }
  }

  /**
   * @param {string} id
   * @param {Subscription} subscription
   * @param {Error} error
   */
  #subscribeFailed(id, subscription, error) {
    if (!(error instanceof Problem) || this.#subscriptions.get(id) !== subscription) {
      return; // the connection was lost, or the subscription has ended
    }
    if (error.retryable) {
      setTimeout(() => {
        if (this.#subscriptions.get(id) === subscription && this.state.name === "open") {
          this.#subscriptions.delete(id);
          this.#subscribe(subscription);
        }
      }, RESUBSCRIBE_MILLISECONDS);
    } else {
      this.#subscriptions.delete(id);
      subscription.onRefused?.(error);
    }
  }

  /** @param {Subscription} subscription */
  #unsubscribe(subscription) {
    for (const [id, known] of this.#subscriptions) {
      if (known === subscription) {
        this.#subscriptions.delete(id);
        this.#write("UNSUBSCRIBE", { id });
      }
    }
  }

  #sendToken() {
    if (this.state.name === "open") {
      // If this fails, the server closes the connection when the old token expires.
      this.#session
        .accessToken()
        .then((token) => this.send("/app/token", { Authorization: `Bearer ${token}` }, ""))
        .catch(() => undefined);
    }
  }

  /**
   * @param {string} command
   * @param {FrameHeaders} headers
   * @param {string} [body]
   */
  #write(command, headers, body) {
    if (this.state.name === "open") {
      this.#socket?.write(command, headers, body);
    }
  }

  #nextId() {
    this.#lastId += 1;
    return `${this.#lastId}`;
  }

  /**
   * @param {ConnectionState["name"]} name
   * @param {string} [reason]
   * @param {number} [retryAt]
   */
  #setState(name, reason = "", retryAt = 0) {
    this.state = { name, reason, retryAt };
    this.emit("state", undefined);
  }
}
