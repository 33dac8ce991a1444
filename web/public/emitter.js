/**
 * Event emitter whose events are known to the type checker.
 *
 * @template {Record<string, unknown>} Events name of each event and the type of its detail
 */
export class Emitter {
  #target = new EventTarget();

  /**
   * Call `listener` with the detail of each such event.
   *
   * @template {keyof Events & string} Name
   * @param {Name} name
   * @param {(detail: Events[Name]) => void} listener
   * @param {AbortSignal} [signal] removes the listener
   */
  on(name, listener, signal) {
    this.#target.addEventListener(
      name,
      (event) => listener(/** @type {CustomEvent<Events[Name]>} */ (event).detail),
      signal && { signal },
    );
  }

  /**
   * @template {keyof Events & string} Name
   * @param {Name} name
   * @param {Events[Name]} detail
   */
  emit(name, detail) {
    this.#target.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
