/**
 * STOMP 1.2 frames: to bytes, and from bytes however they are cut.
 *
 * Header values are escaped except in CONNECT and CONNECTED; the first of repeated headers counts;
 * `content-length` is in bytes.
 *
 * @typedef {{command: string, headers: Record<string, string>, body: string}} Frame
 */

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const NUL = 0;
const NEVER_ESCAPED = new Set(["CONNECT", "CONNECTED"]);
/** @type {Record<string, string>} */
const ESCAPES = { "\\": "\\\\", "\n": "\\n", ":": "\\c", "\r": "\\r" };
/** @type {Record<string, string>} */
const MEANINGS = { "\\\\": "\\", "\\n": "\n", "\\c": ":", "\\r": "\r" };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The other side wrote something that is not STOMP 1.2. */
export class ProtocolError extends Error {}

/**
 * Return the frame as it goes over the wire, as text: UTF-8 is the WebSocket's.
 *
 * @param {string} command
 * @param {Record<string, string>} headers
 * @param {string} [body]
 */
export function serialize(command, headers, body = "") {
  const written = NEVER_ESCAPED.has(command) ? (/** @type {string} */ text) => text : escape;
  const lines = Object.entries(headers).map(([name, value]) => `${written(name)}:${written(value)}`);
  if (body) {
    lines.push(`content-length:${encoder.encode(body).length}`);
  }
  return `${[command, ...lines].join("\n")}\n\n${body}\0`;
}

/** Reads frames from pieces of any size. */
export class FrameReader {
  /** @type {Uint8Array} */
  #rest = new Uint8Array(0);

  /**
   * Take what came and return the frames that it completes; line ends between frames are
   * heart-beats and yield nothing. Throws ProtocolError.
   *
   * @param {string | ArrayBuffer | Uint8Array} data
   * @returns {Frame[]}
   */
  read(data) {
    this.#rest = joined(this.#rest, typeof data === "string" ? encoder.encode(data) : bytes(data));
    const frames = [];
    for (let frame = this.#next(); frame; frame = this.#next()) {
      frames.push(frame);
    }
    return frames;
  }

  /** @returns {Frame | null} */
  #next() {
    const data = this.#rest;
    let start = 0;
    while (data[start] === LINE_FEED || data[start] === CARRIAGE_RETURN) {
      start += 1;
    }
    this.#rest = data.subarray(start);
    const bodyStart = endOfHead(this.#rest);
    if (bodyStart === -1) {
      return null;
    }
    const { command, headers } = readHead(decode(this.#rest.subarray(0, bodyStart)));
    const end = endOfBody(this.#rest, bodyStart, headers["content-length"]);
    if (end === -1) {
      return null;
    }
    const body = decode(this.#rest.subarray(bodyStart, end));
    this.#rest = this.#rest.slice(end + 1);
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
function joined(first, second) {
  if (first.length === 0) {
    return second;
  }
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/**
 * Return where the body begins, or -1 as long as the empty line has not come.
 *
 * @param {Uint8Array} data
 */
function endOfHead(data) {
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
 * Return where the NUL stands that ends the frame, or -1 as long as it has not come.
 *
 * @param {Uint8Array} data
 * @param {number} start
 * @param {string | undefined} contentLength
 */
function endOfBody(data, start, contentLength) {
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
    throw new ProtocolError("the body is longer than its content-length");
  }
  return end;
}

/** @param {string} text */
function readHead(text) {
  const [command, ...lines] = text.split("\n").map((line) => line.replace(/\r$/, ""));
  const plain = NEVER_ESCAPED.has(command) ? (/** @type {string} */ value) => value : unescape;
  /** @type {Record<string, string>} */
  const headers = Object.create(null);
  for (const line of lines) {
    if (line === "") {
      break;
    }
    const colon = line.indexOf(":");
    if (colon < 1) {
      throw new ProtocolError("a header has no name");
    }
    const name = plain(line.slice(0, colon));
    headers[name] ??= plain(line.slice(colon + 1));
  }
  return { command, headers };
}

/** @param {string} text */
function escape(text) {
  return text.replace(/[\\\n:\r]/g, (character) => ESCAPES[character]);
}

/** @param {string} text */
function unescape(text) {
  return text.replace(/\\.?/gs, (written) => {
    const meaning = MEANINGS[written];
    if (meaning === undefined) {
      throw new ProtocolError("undefined escape in a header");
    }
    return meaning;
  });
}

/** @param {Uint8Array} data */
function decode(data) {
  try {
    return decoder.decode(data);
  } catch {
    throw new ProtocolError("the frame is not UTF-8");
  }
}
