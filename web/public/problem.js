/**
 * Errors that a request or a SEND can end with.
 *
 * @import { ProblemDocument } from "../types.js"
 */

/** The server refused; `message` is a sentence for the user. */
export class Problem extends Error {
  /**
   * @param {ProblemDocument} document
   * @param {number} [status]
   */
  constructor(document, status = document.status ?? 0) {
    super(sentence(document));
    this.status = status;
  }

  /** Whether a retry may succeed. */
  get retryable() {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }

  /** Whether a dependency of the server is down: the request itself was not judged. */
  get unavailable() {
    return this.status >= 502 && this.status <= 504;
  }
}

/** No response arrived: the request may or may not have been carried out. */
export class Unreachable extends Error {
  constructor() {
    super("The server cannot be reached. Try again later.");
  }
}

/**
 * Return the message of an error, for the user.
 *
 * @param {unknown} error
 */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {ProblemDocument} document */
function sentence({ title = "The request failed", detail, errors = [] }) {
  return errors.map(fieldSentence).join("; ") || capitalized(detail || title);
}

/** @param {{field: string, message: string}} error */
function fieldSentence({ field, message }) {
  const words = field.replace(/^(body|query)\./, "").replace(/[._]/g, " ");
  return `${capitalized(words)}: ${message}`;
}

/** @param {string} text */
function capitalized(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
