/**
 * @typedef {import("./rest.js").Rest} Rest
 */

import { byId } from "./element.js";

const JOIN = "#join/";
const UNTIL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Shows a link that lets others into the room. */
export class Invitation {
  #rest;
  #panel = byId("invitation", HTMLDivElement);
  #link = byId("invite-link", HTMLInputElement);
  #copy = byId("copy-link", HTMLButtonElement);

  /**
   * @param {Rest} rest
   * @param {AbortSignal} signal
   */
  constructor(rest, signal) {
    this.#rest = rest;
    this.#copy.addEventListener("click", () => this.#copyLink(), { signal });
    byId("close-invitation", HTMLButtonElement).addEventListener("click", () => this.hide(), {
      signal,
    });
  }

  /**
   * Make an invite and show it, if its room is still the one that is open then.
   *
   * @param {string} room
   * @param {() => boolean} wanted
   */
  async show(room, wanted) {
    const { code, expires_at: until, uses_left: uses } = await this.#rest.invite(room);
    if (wanted()) {
      this.#link.value = `${location.origin}${location.pathname}${JOIN}${code}`;
      byId("invite-shown-code", HTMLElement).textContent = code;
      const times = uses === 1 ? "once" : `${uses} times`;
      byId("invite-until", HTMLSpanElement).textContent =
        `(until ${UNTIL.format(new Date(until))}, ${times})`;
      this.#copy.textContent = "Copy";
      this.#panel.hidden = false;
      this.#link.focus();
      this.#link.select();
    }
  }

  hide() {
    this.#panel.hidden = true;
    this.#link.value = "";
  }

  async #copyLink() {
    this.#link.select();
    try {
      await navigator.clipboard.writeText(this.#link.value);
      this.#copy.textContent = "Copied";
    } catch {
      this.#copy.textContent = "Press Ctrl+C"; // no clipboard without TLS; the link is selected
    }
  }
}

/**
 * Return the code in a link or in what somebody pasted.
 *
 * @param {string} text
 */
export function inviteCode(text) {
  const at = text.indexOf(JOIN);
  return (at === -1 ? text : text.slice(at + JOIN.length)).trim();
}
