/** @typedef {import("./rest.js").ChatEvent} ChatEvent */

import { sentence } from "./element.js";

/** @type {Record<string, (who: string, data: Record<string, any>) => (Node | string)[]>} */
const SENTENCES = {
  "room.created": (who) => sentence`${who} created the room.`,
  "room.updated": (who, { name }) => sentence`${who} named the room “${name}”.`,
  "room.archived": (who) => sentence`${who} archived the room. It can still be read.`,
  "member.joined": (_, { name }) => sentence`${name} joined.`,
  "member.left": (_, { name }) => sentence`${name} left.`,
  "member.removed": (who, { name }) => sentence`${who} removed ${name}.`,
  "member.banned": (who, { name }) => sentence`${who} banned ${name}.`,
  "member.unbanned": (who, { name }) => sentence`${who} lets ${name} in again.`,
  "member.role_changed": (who, { role }) => [...sentence`${who} made a member `, `${role}.`],
};

/**
 * Return what an event that is no message tells those who read the room, as the parts of a
 * sentence; none if it tells nothing.
 *
 * @param {ChatEvent} event
 */
export function notice(event) {
  const told = SENTENCES[event.kind];
  return told ? told(event.sender_name || "Somebody", event.data) : [];
}
