const FIRST_MILLISECONDS = 500;
const MAX_MILLISECONDS = 10_000;
/** A connection that lasted this long resets the backoff. */
const STABLE_MILLISECONDS = 5_000;

/** Exponential backoff with jitter. */
export class Backoff {
  #attempts = 0;
  #openedAt = Infinity;

  /** Record that the attempt succeeded. */
  opened() {
    this.#openedAt = Date.now();
  }

  /** Return the milliseconds before the next attempt, jittered so that clients spread out. */
  next() {
    if (Date.now() - this.#openedAt > STABLE_MILLISECONDS) {
      this.#attempts = 0;
    }
    this.#openedAt = Infinity;
    const limit = Math.min(FIRST_MILLISECONDS * 2 ** this.#attempts, MAX_MILLISECONDS);
    this.#attempts += 1;
    return limit * (0.5 + Math.random() / 2);
  }
}
