/** The page: the chat for who is logged in, the welcome for everyone else. */

import { Chat } from "./chat.js";
import { Session } from "./session.js";
import { Welcome } from "./welcome.js";

const session = new Session();
/** @type {Chat | Welcome} */
let shown = begin();

session.addEventListener("began", () => next());
session.addEventListener("ended", (event) => next(/** @type {CustomEvent} */ (event).detail));

/** @param {string} [farewell] */
function next(farewell) {
  shown.close();
  shown = begin(farewell);
}

/** @param {string} [farewell] */
function begin(farewell) {
  return session.user ? new Chat(session, session.user) : new Welcome(session, farewell);
}
