/**
 * @import { Frame, FrameHeaders } from "../types.js"
 * @typedef {{code: number, reason: string}} Close
 * @typedef {{onConnected: () => void, onFrame: (frame: Frame) => void,
 *   onClosed: (close: Close) => void}} Handlers
 */

import { FrameReader, serialize } from "./stomp.js";

const CONNECT_TIMEOUT_MILLISECONDS = 15_000;
/** Shortest interval at which this client accepts heart-beats; the server chooses. */
const HEARTBEAT_MILLISECONDS = 1_000;
/** The connection is lost when the server is silent for this many intervals. */
const HEARTBEAT_TOLERANCE = 2.5;
/** Close code for an abnormal closure (RFC 6455). */
const ABNORMAL = 1006;

/**
 * One STOMP connection over one WebSocket, from CONNECT to close. Calls `onConnected`, then
 * `onFrame` for each frame, then `onClosed` once.
 *
 * Only the server sends heart-beats: browsers throttle the timers of hidden pages, so heart-beats
 * of this client would be late. The browser answers the server's WebSocket pings in time.
 */
export class StompSocket {
  #socket;
  #handlers;
  #token;
  #reader = new FrameReader();
  #connected = false;
  #closed = false;
  #errorMessage = "";
  #timeout = CONNECT_TIMEOUT_MILLISECONDS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} url
   * @param {string} token the access token for CONNECT
   * @param {Handlers} handlers
   */
  constructor(url, token, handlers) {
    this.#handlers = handlers;
    this.#token = token;
    this.#socket = new WebSocket(url, ["v12.stomp"]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#sendConnect();
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = ({ code, reason }) => this.#end({ code, reason });
    this.#restartTimer();
  }

  /**
   * @param {string} command
   * @param {FrameHeaders} headers
   * @param {string} [body]
   */
  write(command, headers, body) {
    if (!this.#closed && this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(serialize(command, headers, body));
    }
  }

  /** Send DISCONNECT and close, without a call of `onClosed`. */
  disconnect() {
    this.write("DISCONNECT", {});
    this.#closed = true;
    this.#close();
  }

  #sendConnect() {
    this.write("CONNECT", {
      "accept-version": "1.2",
      host: location.hostname,
      "heart-beat": `0,${HEARTBEAT_MILLISECONDS}`,
      Authorization: `Bearer ${this.#token}`,
    });
  }

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    if (this.#closed) {
      return;
    }
    this.#restartTimer();
    let frames;
    try {
      frames = this.#reader.read(data);
    } catch (error) {
      this.#end({ code: ABNORMAL, reason: String(error) });
      return;
    }
    for (const frame of frames) {
      this.#handle(frame);
    }
  }

  /** @param {Frame} frame */
  #handle(frame) {
    if (this.#closed) {
      return;
    }
    if (frame.command === "CONNECTED") {
      const [interval = 0] = (frame.headers["heart-beat"] ?? "0,0").split(",").map(Number);
      this.#timeout = interval > 0 ? interval * HEARTBEAT_TOLERANCE : 0;
      this.#connected = true;
      this.#restartTimer();
      this.#handlers.onConnected();
    } else if (frame.command === "ERROR") {
      this.#errorMessage = frame.headers.message ?? "";
    } else if (this.#connected) {
      this.#handlers.onFrame(frame);
    }
  }

  /** @param {Close} close */
  #end({ code, reason }) {
    if (!this.#closed) {
      this.#closed = true;
      this.#close();
      this.#handlers.onClosed({ code, reason: this.#errorMessage || reason });
    }
  }

  /** Allow the server another `#timeout` of silence. */
  #restartTimer() {
    clearTimeout(this.#timer);
    if (this.#timeout) {
      this.#timer = setTimeout(
        () => this.#end({ code: ABNORMAL, reason: "The server sent no heart-beat" }),
        this.#timeout,
      );
    }
  }

  #close() {
    clearTimeout(this.#timer);
    this.#socket.close();
  }
}
