/** @import { RoomEvent } from "../types.js" */

import { sentence } from "./element.js";

/**
 * Return the text for an event that is not a message, as the parts of a sentence; empty if the
 * event is not shown.
 *
 * @param {RoomEvent} event
 */
export function notice(event) {
  const actor = event.sender_name || "Somebody";
  switch (event.kind) {
    case "room.created":
      return sentence`${actor} created the room.`;
    case "room.updated":
      return sentence`${actor} renamed the room to “${event.data.name}”.`;
    case "room.archived":
      return sentence`${actor} archived the room. It is now read-only.`;
    case "member.joined":
      return sentence`${event.data.name} joined.`;
    case "member.left":
      return sentence`${event.data.name} left.`;
    case "member.removed":
      return sentence`${actor} removed ${event.data.name}.`;
    case "member.banned":
      return sentence`${actor} banned ${event.data.name}.`;
    case "member.unbanned":
      return sentence`${actor} unbanned ${event.data.name}.`;
    case "member.role_changed":
      return [
        ...sentence`${actor} changed the role of ${event.data.name ?? "a member"} to `,
        `${event.data.role}.`,
      ];
    default:
      return [];
  }
}
