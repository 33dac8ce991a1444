/**
 * The browser's storage, which may refuse: it is full, switched off, or not for pages like this.
 *
 * @typedef {"localStorage" | "sessionStorage"} Place
 */

/**
 * Return what is stored under `key`, null if there is nothing or it is no JSON.
 *
 * @param {Place} place
 * @param {string} key
 * @returns {any}
 */
export function recall(place, key) {
  try {
    return JSON.parse(window[place].getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/**
 * Store `value` as JSON and return whether that worked; if not, what was stored before stays.
 *
 * @param {Place} place
 * @param {string} key
 * @param {unknown} value
 */
export function keep(place, key, value) {
  try {
    window[place].setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/**
 * Store nothing under `key` any more.
 *
 * @param {Place} place
 * @param {string} key
 */
export function forget(place, key) {
  try {
    window[place].removeItem(key);
  } catch {
    // Then nothing was stored either.
  }
}
