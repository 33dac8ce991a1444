import { byId } from "./element.js";

/** Key code of a key that the input method handles. */
const INPUT_METHOD = 229;

/** Form to write a message; keeps the unfinished text of each room. */
export class Composer {
  #form = byId("write", HTMLFormElement);
  #text = byId("text", HTMLTextAreaElement);
  #send = byId("send", HTMLButtonElement);
  #room = "";
  /** Unfinished text by room. @type {Map<string, string>} */
  #unfinished = new Map();
  #handlers;

  /**
   * @param {AbortSignal} signal
   * @param {{onType: () => void, onSubmit: (text: string) => boolean}} handlers `onSubmit` returns
   *   whether the text was accepted and the field can be cleared
   */
  constructor(signal, handlers) {
    this.#handlers = handlers;
    this.#form.addEventListener("submit", (event) => this.#submit(event), { signal });
    this.#text.addEventListener("keydown", (event) => this.#keydown(event), { signal });
    this.#text.addEventListener("input", () => this.#input(), { signal });
  }

  /** @param {string} room */
  open(room) {
    this.#room = room;
    this.#setText(this.#unfinished.get(room) ?? "");
    // On a touch screen, focus would open a keyboard that covers the messages.
    if (matchMedia("(pointer: fine)").matches) {
      this.#text.focus();
    }
  }

  close() {
    if (this.#text.value && this.#room) {
      this.#unfinished.set(this.#room, this.#text.value);
    } else {
      this.#unfinished.delete(this.#room);
    }
    this.#room = "";
    this.#setText("");
  }

  /**
   * @param {boolean} enabled
   * @param {string} reason why the form is disabled, empty if there is nothing to say
   */
  setEnabled(enabled, reason) {
    this.#text.disabled = this.#send.disabled = !enabled;
    this.#text.placeholder = reason || "Write a message";
  }

  /** @param {KeyboardEvent} event */
  #keydown(event) {
    // While an input method composes (Korean, Japanese, …), Enter only ends the composition. Safari
    // ends it before this event, and marks the event by its key code alone.
    const isComposing = event.isComposing || event.keyCode === INPUT_METHOD;
    if (event.key === "Enter" && !event.shiftKey && !isComposing) {
      event.preventDefault();
      this.#form.requestSubmit();
    }
  }

  #input() {
    this.#fitHeight();
    if (this.#text.value) {
      this.#handlers.onType();
    }
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (text && this.#handlers.onSubmit(text)) {
      this.#setText("");
    }
    this.#text.focus();
  }

  /** @param {string} text */
  #setText(text) {
    this.#text.value = text;
    this.#fitHeight();
  }

  /** Grow with the text, up to the maximum in the style sheet. */
  #fitHeight() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }
}
