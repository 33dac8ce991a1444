/**
 * Types that several modules share: what the services send (see `contracts/`), and what the modules
 * tell each other. The browser never loads this file.
 */

export interface User {
  id: string;
  username: string;
  display_name: string;
}

export interface Room {
  id: string;
  name: string;
  visibility: "public" | "private" | "direct";
  role: string | null;
  archived: boolean;
  members: number;
}

export interface Invite {
  code: string;
  expires_at: string;
  uses_left: number;
}

export interface ReceivedInvite {
  code: string;
  room: { id: string; name: string };
  by: User;
}

/** A page of a list; `next` is the cursor of the next page. */
export interface Page<Item> {
  items: Item[];
  next: string | null;
}

/** Events of a room, oldest first; `before` and `after` are cursors. */
export interface EventPage {
  items: RoomEvent[];
  before: string | null;
  after: string | null;
}

/** Users present in a room: the first of them, the count of all, and the server's time. */
export interface PresencePage extends Page<{ user: string; name: string }> {
  count: number;
  at: string;
}

export interface TokenGrant {
  access_token: string;
  refresh_token: string;
  /** Lifetime of the access token in seconds. */
  expires_in: number;
}

interface Envelope<Kind extends string, Data> {
  kind: Kind;
  key: string;
  sender: string;
  sender_name: string;
  /** Time by the server's clock, ISO 8601. */
  at: string;
  data: Data;
}

interface Member {
  user: string;
  name: string;
}

/** A durable event of a room: it has an id, which is its position in the room. */
export type RoomEvent = { id: string } & (
  | Envelope<"message.created", { text: string }>
  | Envelope<"room.created", { name: string }>
  | Envelope<"room.updated", { name: string }>
  | Envelope<"room.archived", object>
  | Envelope<"member.joined", Member>
  | Envelope<"member.left", Member>
  | Envelope<"member.removed", Member>
  | Envelope<"member.banned", Member>
  | Envelope<"member.unbanned", Member>
  | Envelope<"member.role_changed", { user: string; name?: string; role: string }>
);

/** A live event of a room: delivered to current subscribers, never stored. */
export type LiveEvent =
  | Envelope<"room.typing", object>
  | Envelope<"presence.joined", Member>
  | Envelope<"presence.left", Member>;

/** RFC 9457 problem details, in REST responses and in MESSAGE frames of the error queue. */
export interface ProblemDocument {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  errors?: { field: string; message: string }[];
  /** Of the SEND or SUBSCRIBE that was refused. */
  "receipt-id"?: string;
}

/** A STOMP frame. */
export interface Frame {
  command: string;
  headers: FrameHeaders;
  body: string;
}

export type FrameHeaders = Record<string, string>;

export interface ConnectionState {
  name: "connecting" | "open" | "waiting" | "stopped";
  reason: string;
  /** Time of the next attempt in milliseconds since the epoch, 0 if none is scheduled. */
  retryAt: number;
}

/** A message that the server has not acknowledged, or whose event has not arrived yet. */
export interface Draft {
  /** Idempotency key of the message. */
  key: string;
  room: string;
  text: string;
  at: string;
  tries: number;
  state: "waiting" | "sending" | "sent" | "refused";
  refusal: string;
}

declare global {
  /** Swagger UI, loaded by a script of its own on the page /docs. */
  function SwaggerUIBundle(options: {
    url: string;
    dom_id: string;
    deepLinking?: boolean;
    displayRequestDuration?: boolean;
    docExpansion?: "list" | "full" | "none";
    filter?: boolean;
    validatorUrl?: string | null;
  }): void;
}
