/** @typedef {import("./rest.js").ChatEvent} ChatEvent */

/** @type {Record<string, (who: string, data: Record<string, any>) => string>} */
const SENTENCES = {
  "room.created": (who) => `${who} created the room.`,
  "room.updated": (who, { name }) => `${who} named the room “${name}”.`,
  "room.archived": (who) => `${who} archived the room. It can still be read.`,
  "member.joined": (_, { name }) => `${name} joined.`,
  "member.left": (_, { name }) => `${name} left.`,
  "member.removed": (who, { name }) => `${who} removed ${name}.`,
  "member.banned": (who, { name }) => `${who} banned ${name}.`,
  "member.unbanned": (who, { name }) => `${who} lets ${name} in again.`,
  "member.role_changed": (who, { role }) => `${who} made a member ${role}.`,
};

/**
 * Return what an event that is no message tells those who read the room; empty if nothing.
 *
 * @param {ChatEvent} event
 */
export function notice(event) {
  const sentence = SENTENCES[event.kind];
  return sentence ? sentence(event.sender_name || "Somebody", event.data) : "";
}
