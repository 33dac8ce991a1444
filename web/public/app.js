/** Entry point: shows the chat while a user is logged in, otherwise the login form. */

import { Chat } from "./chat.js";
import { Session } from "./session.js";
import { Welcome } from "./welcome.js";

const session = new Session();
/** @type {Chat | Welcome} */
let view = createView();

session.on("started", () => replaceView());
session.on("ended", (reason) => replaceView(reason));

/** @param {string} [reason] why the last session ended */
function replaceView(reason) {
  view.close();
  view = createView(reason);
}

/** @param {string} [reason] */
function createView(reason) {
  return session.user ? new Chat(session, session.user) : new Welcome(session, reason);
}
