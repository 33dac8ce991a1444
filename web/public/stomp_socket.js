/**
 * One STOMP connection over one WebSocket, from its CONNECT to its close.
 *
 * @typedef {import("./stomp.js").Frame} Frame
 * @typedef {{code: number, reason: string}} Close
 * @typedef {{connected: () => void, frame: (frame: Frame) => void,
 *   closed: (close: Close) => void}} Listener
 */

import { FrameReader, serialize } from "./stomp.js";

const OPENING_MILLISECONDS = 15_000;
/** The shortest interval of the server's heart-beats that is welcome; the server chooses. */
const HEARTBEAT_MILLISECONDS = 1_000;
/** The server is taken for gone after this many of its heart-beats did not come. */
const GRACE = 2.5;
const LOST = 1006;

/**
 * Tells its listener of `connected`, then of each frame, then once of `closed`.
 *
 * Only the server sends heart-beats. A browser slows down the timers of pages that nobody looks
 * at, so ours would come late; it does answer the server's WebSocket pings in time.
 */
export class StompSocket {
  #socket;
  #listener;
  #token;
  #reader = new FrameReader();
  #connected = false;
  #over = false;
  #reason = "";
  #patience = OPENING_MILLISECONDS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watch;

  /**
   * @param {string} url
   * @param {string} token the access token for CONNECT
   * @param {Listener} listener
   */
  constructor(url, token, listener) {
    this.#listener = listener;
    this.#token = token;
    this.#socket = new WebSocket(url, ["v12.stomp"]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#introduce();
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = ({ code, reason }) => this.#end({ code, reason });
    this.#wait();
  }

  /**
   * @param {string} command
   * @param {Record<string, string>} headers
   * @param {string} [body]
   */
  write(command, headers, body) {
    if (!this.#over && this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(serialize(command, headers, body));
    }
  }

  /** Say good-bye and close; the listener hears nothing more. */
  leave() {
    this.write("DISCONNECT", {});
    this.#over = true;
    this.#drop();
  }

  /** Take the connection for lost. */
  abandon() {
    this.#end({ code: LOST, reason: "the server fell silent" });
  }

  #introduce() {
    this.write("CONNECT", {
      "accept-version": "1.2",
      host: location.hostname,
      "heart-beat": `0,${HEARTBEAT_MILLISECONDS}`,
      Authorization: `Bearer ${this.#token}`,
    });
  }

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    if (this.#over) {
      return;
    }
    this.#wait();
    let frames;
    try {
      frames = this.#reader.read(data);
    } catch (error) {
      this.#end({ code: LOST, reason: String(error) });
      return;
    }
    for (const frame of frames) {
      this.#take(frame);
    }
  }

  /** @param {Frame} frame */
  #take(frame) {
    if (this.#over) {
      return;
    }
    if (frame.command === "CONNECTED") {
      const [interval] = (frame.headers["heart-beat"] ?? "0,0").split(",").map(Number);
      this.#patience = interval > 0 ? interval * GRACE : 0;
      this.#connected = true;
      this.#wait();
      this.#listener.connected();
    } else if (frame.command === "ERROR") {
      this.#reason = frame.headers.message ?? "";
    } else if (this.#connected) {
      this.#listener.frame(frame);
    }
  }

  /** @param {Close} close */
  #end({ code, reason }) {
    if (!this.#over) {
      this.#over = true;
      this.#drop();
      this.#listener.closed({ code, reason: this.#reason || reason });
    }
  }

  /** Give the server its time again to be heard of. */
  #wait() {
    clearTimeout(this.#watch);
    if (this.#patience) {
      this.#watch = setTimeout(() => this.abandon(), this.#patience);
    }
  }

  #drop() {
    clearTimeout(this.#watch);
    this.#socket.close();
  }
}
