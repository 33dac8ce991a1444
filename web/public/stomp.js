/**
 * STOMP 1.2 codec.
 *
 * Headers are escaped except in CONNECT and CONNECTED; of repeated headers the first counts;
 * `content-length` is in bytes.
 *
 * @import { Frame, FrameHeaders } from "../types.js"
 */

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const NUL = 0;
const UNESCAPED_COMMANDS = new Set(["CONNECT", "CONNECTED"]);
/** @type {Record<string, string>} */
const ESCAPES = { "\\": "\\\\", "\n": "\\n", ":": "\\c", "\r": "\\r" };
/** @type {Record<string, string>} */
const UNESCAPED = { "\\\\": "\\", "\\n": "\n", "\\c": ":", "\\r": "\r" };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The server sent something that is not STOMP 1.2. */
export class ProtocolError extends Error {}

/**
 * Return a frame as text; the WebSocket encodes it as UTF-8.
 *
 * @param {string} command
 * @param {FrameHeaders} headers
 * @param {string} [body]
 */
export function serialize(command, headers, body = "") {
  const encode = UNESCAPED_COMMANDS.has(command) ? identity : escape;
  const lines = Object.entries(headers).map(([name, value]) => `${encode(name)}:${encode(value)}`);
  if (body) {
    lines.push(`content-length:${encoder.encode(body).length}`);
  }
  return `${[command, ...lines].join("\n")}\n\n${body}\0`;
}

/** Parses frames from a stream that may be split at any byte. */
export class FrameReader {
  /**
   * Bytes of a frame that is not complete yet.
   *
   * @type {Uint8Array}
   */
  #buffer = new Uint8Array(0);

  /**
   * Add data and return the frames that it completes; throws ProtocolError. Line ends between
   * frames are heart-beats and yield nothing.
   *
   * @param {string | ArrayBuffer | Uint8Array} data
   * @returns {Frame[]}
   */
  read(data) {
    this.#buffer = concat(
      this.#buffer,
      typeof data === "string" ? encoder.encode(data) : bytes(data),
    );
    const frames = [];
    for (let frame = this.#next(); frame; frame = this.#next()) {
      frames.push(frame);
    }
    return frames;
  }

  /** @returns {Frame | null} */
  #next() {
    const data = this.#buffer;
    let start = 0;
    while (data[start] === LINE_FEED || data[start] === CARRIAGE_RETURN) {
      start += 1;
    }
    this.#buffer = data.subarray(start);
    const bodyStart = findBody(this.#buffer);
    if (bodyStart === -1) {
      return null;
    }
    const { command, headers } = parseHead(decodeUtf8(this.#buffer.subarray(0, bodyStart)));
    const end = findEnd(this.#buffer, bodyStart, headers["content-length"]);
    if (end === -1) {
      return null;
    }
    const body = decodeUtf8(this.#buffer.subarray(bodyStart, end));
    this.#buffer = this.#buffer.slice(end + 1);
    return { command, headers, body };
  }
}

/** @param {ArrayBuffer | Uint8Array} data */
function bytes(data) {
  return data instanceof Uint8Array ? data : new Uint8Array(data);
}

/**
 * @param {Uint8Array} first
 * @param {Uint8Array} second
 */
function concat(first, second) {
  if (first.length === 0) {
    return second;
  }
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/**
 * Return the index of the body, or -1 if the empty line has not arrived.
 *
 * @param {Uint8Array} data
 */
function findBody(data) {
  let at = data.indexOf(LINE_FEED);
  while (at !== -1) {
    const next = data[at + 1] === CARRIAGE_RETURN ? at + 2 : at + 1;
    if (data[next] === LINE_FEED) {
      return next + 1;
    }
    at = data.indexOf(LINE_FEED, at + 1);
  }
  return -1;
}

/**
 * Return the index of the NUL that ends the frame, or -1 if it has not arrived.
 *
 * @param {Uint8Array} data
 * @param {number} start
 * @param {string | undefined} contentLength
 */
function findEnd(data, start, contentLength) {
  if (contentLength === undefined) {
    return data.indexOf(NUL, start);
  }
  if (!/^\d{1,9}$/.test(contentLength)) {
    throw new ProtocolError("content-length is not a number");
  }
  const end = start + Number(contentLength);
  if (end >= data.length) {
    return -1;
  }
  if (data[end] !== NUL) {
    throw new ProtocolError("the body does not end at its content-length");
  }
  return end;
}

/** @param {string} text */
function parseHead(text) {
  const [command = "", ...lines] = text.split("\n").map((line) => line.replace(/\r$/, ""));
  const decode = UNESCAPED_COMMANDS.has(command) ? identity : unescape;
  /** @type {FrameHeaders} */
  const headers = Object.create(null);
  for (const line of lines) {
    if (line === "") {
      break;
    }
    const colon = line.indexOf(":");
    if (colon < 1) {
      throw new ProtocolError("a header has no name");
    }
    const name = decode(line.slice(0, colon));
    headers[name] ??= decode(line.slice(colon + 1));
  }
  return { command, headers };
}

/** @param {string} text */
function identity(text) {
  return text;
}

/** @param {string} text */
function escape(text) {
  return text.replace(/[\\\n:\r]/g, (character) => ESCAPES[character] ?? character);
}

/** @param {string} text */
function unescape(text) {
  return text.replace(/\\.?/gs, (sequence) => {
    const character = UNESCAPED[sequence];
    if (character === undefined) {
      throw new ProtocolError("undefined escape in a header");
    }
    return character;
  });
}

/** @param {Uint8Array} data */
function decodeUtf8(data) {
  try {
    return decoder.decode(data);
  } catch {
    throw new ProtocolError("the frame is not UTF-8");
  }
}
