/**
 * JSON values in the browser's storage, which may be full, disabled, or blocked for this page.
 *
 * @typedef {"localStorage" | "sessionStorage"} Area
 */

/**
 * Return the value stored under `key`, null if there is none or it is not JSON.
 *
 * @param {Area} area
 * @param {string} key
 * @returns {unknown}
 */
export function load(area, key) {
  try {
    return JSON.parse(window[area].getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/**
 * Store `value` and return whether that succeeded; if not, the previous value stays.
 *
 * @param {Area} area
 * @param {string} key
 * @param {unknown} value
 */
export function save(area, key, value) {
  try {
    window[area].setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {Area} area
 * @param {string} key
 */
export function remove(area, key) {
  try {
    window[area].removeItem(key);
  } catch {
    // Storage is blocked, so nothing was stored.
  }
}
