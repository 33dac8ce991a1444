/** @import { Rest } from "./rest.js" */

import { byId } from "./element.js";
import { inviteLink } from "./invite_link.js";

const EXPIRY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Panel with an invite link for the open room. */
export class InvitePanel {
  #rest;
  #panel = byId("invite-panel", HTMLDivElement);
  #link = byId("invite-link", HTMLInputElement);
  #copy = byId("copy-link", HTMLButtonElement);

  /**
   * @param {Rest} rest
   * @param {AbortSignal} signal
   */
  constructor(rest, signal) {
    this.#rest = rest;
    this.#copy.addEventListener("click", () => this.#copyLink(), { signal });
    byId("close-invite-panel", HTMLButtonElement).addEventListener("click", () => this.hide(), {
      signal,
    });
  }

  /**
   * Create an invite and show its link; throws Problem or Unreachable.
   *
   * @param {string} room
   * @param {() => boolean} isOpen whether the room is still open when the invite arrives
   */
  async show(room, isOpen) {
    const { code, expires_at: expiresAt, uses_left: usesLeft } = await this.#rest.invite(room);
    if (isOpen()) {
      this.#link.value = inviteLink(code);
      byId("invite-shown-code", HTMLElement).textContent = code;
      const uses = usesLeft === 1 ? "1 use" : `${usesLeft} uses`;
      byId("invite-expiry", HTMLSpanElement).textContent =
        `(expires ${EXPIRY.format(new Date(expiresAt))}, ${uses} left)`;
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
