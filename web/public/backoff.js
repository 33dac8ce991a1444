const FIRST_MILLISECONDS = 500;
const LONGEST_MILLISECONDS = 10_000;
/** Once a connection has held this long, the next loss begins with the shortest pause again. */
const STEADY_MILLISECONDS = 5_000;

/** How long to wait before the next attempt: longer each time, half of it left to chance. */
export class Backoff {
  #attempts = 0;
  #openedAt = Infinity;

  /** There is a connection. */
  opened() {
    this.#openedAt = Date.now();
  }

  /** Return the milliseconds to wait; not everybody comes back at the same moment. */
  next() {
    if (Date.now() - this.#openedAt > STEADY_MILLISECONDS) {
      this.#attempts = 0;
    }
    this.#openedAt = Infinity;
    const longest = Math.min(FIRST_MILLISECONDS * 2 ** this.#attempts, LONGEST_MILLISECONDS);
    this.#attempts += 1;
    return longest * (0.5 + Math.random() / 2);
  }
}
