/**
 * Errors as RFC 9457 problem details, from REST answers and from refusals over STOMP alike.
 *
 * @typedef {{type?: string, title?: string, status?: number, detail?: string,
 *   errors?: {field: string, message: string}[], retry_after_seconds?: number,
 *   [member: string]: unknown}} ProblemDocument
 */

/** The server refused; `message` is a sentence for people. */
export class Problem extends Error {
  /**
   * @param {ProblemDocument} document
   * @param {number} [status]
   */
  constructor(document, status = document.status ?? 0) {
    super(sentence(document));
    this.status = status;
    this.type = document.type ?? "about:blank";
  }

  /** Whether the same may well succeed a little later. */
  get passing() {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }

  /** Whether something that the server needs is away: it says nothing of what was asked. */
  get unavailable() {
    return this.status >= 502 && this.status <= 504;
  }
}

/** No answer came: nobody knows whether the request was carried out. */
export class Unreachable extends Error {
  constructor() {
    super("The server cannot be reached.");
  }
}

/**
 * Return what went wrong, for people.
 *
 * @param {unknown} error
 */
export function explain(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {ProblemDocument} document */
function sentence(document) {
  const { title = "That did not work", detail, errors = [] } = document;
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
