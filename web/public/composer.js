import { byId } from "./element.js";

/** Where one writes. What was begun in a room is still there when one comes back to it. */
export class Composer {
  #form = byId("write", HTMLFormElement);
  #text = byId("text", HTMLTextAreaElement);
  #send = byId("send", HTMLButtonElement);
  #room = "";
  /** @type {Map<string, string>} */
  #begun = new Map();
  #listener;

  /**
   * @param {AbortSignal} signal
   * @param {{typed: () => void, written: (text: string) => boolean}} listener `written` returns
   *   whether the text need not be kept any more
   */
  constructor(signal, listener) {
    this.#listener = listener;
    this.#form.addEventListener("submit", (event) => this.#submit(event), { signal });
    this.#text.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.#text.addEventListener("input", () => this.#input(), { signal });
  }

  /** @param {string} room */
  open(room) {
    this.#room = room;
    this.#set(this.#begun.get(room) ?? "");
    // A keyboard that jumps up over what one came to read is no welcome on a telephone.
    if (matchMedia("(pointer: fine)").matches) {
      this.#text.focus();
    }
  }

  close() {
    if (this.#text.value && this.#room) {
      this.#begun.set(this.#room, this.#text.value);
    } else {
      this.#begun.delete(this.#room);
    }
    this.#room = "";
    this.#set("");
  }

  /**
   * @param {boolean} writable
   * @param {string} reason why not, if there is something to say
   */
  allow(writable, reason) {
    this.#text.disabled = this.#send.disabled = !writable;
    this.#text.placeholder = reason || "Write a message";
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // Enter that ends a syllable or picks a word (Korean, Japanese, …) is the input method's.
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key === "Enter" && !event.shiftKey && !composing) {
      event.preventDefault();
      this.#form.requestSubmit();
    }
  }

  #input() {
    this.#fit();
    if (this.#text.value) {
      this.#listener.typed();
    }
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (text && this.#listener.written(text)) {
      this.#set("");
    }
    this.#text.focus();
  }

  /** @param {string} text */
  #set(text) {
    this.#text.value = text;
    this.#fit();
  }

  /** Grow with the text; the style sheet says how far. */
  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }
}
