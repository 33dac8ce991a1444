/** @import { ProblemDocument } from "../types.js" */

import { Problem, Unreachable } from "./problem.js";

const TIMEOUT_MILLISECONDS = 20_000;

/**
 * Send a request and return its JSON response, null if that is empty; throws Problem or Unreachable.
 *
 * The server is trusted to send what its contract says: the response is not validated.
 *
 * @template Result
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, token?: string}} [options]
 * @returns {Promise<Result>}
 */
export async function request(method, path, { body, token } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  if (token !== undefined) {
    headers.Authorization = `Bearer ${token}`;
  }
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
    });
    text = await response.text();
  } catch {
    throw new Unreachable();
  }
  const parsed = parse(text);
  if (!response.ok) {
    throw new Problem(/** @type {ProblemDocument} */ (parsed ?? {}), response.status);
  }
  return /** @type {Result} */ (parsed);
}

/**
 * @param {string} text
 * @returns {unknown}
 */
function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null; // for example a proxy's own error page
  }
}
