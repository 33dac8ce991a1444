// The client of the common chat tutorials, on their libraries, unmodified: prints one JSON line for
// each thing that happens; its standard input are JSON strings to say in the room.
//
//   node tutorial_client.mjs LIBRARY TRANSPORT FAMILY URL TOKEN ROOM NAME
//
// LIBRARY is stompjs (2.3.3) or webstomp, TRANSPORT is sockjs or websocket, FAMILY is topic
// (/pub/chat/message and /sub/chat/room/…) or exchange (/pub/chat.message.… and
// /exchange/chat.exchange/room.…). URL is where SockJS is served, http or https.
import { createInterface } from "node:readline";
import SockJS from "sockjs-client";
import Stomp from "stompjs";
import webstomp from "webstomp-client";
import { WebSocket } from "ws";

const [library, transport, family, url, token, room, name] = process.argv.slice(2);
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");

// Those that each library's own `client(url)` asks for.
const subprotocols = {
  stompjs: ["v10.stomp", "v11.stomp"],
  webstomp: ["v10.stomp", "v11.stomp", "v12.stomp"],
};
const socket =
  transport === "sockjs"
    ? new SockJS(url)
    : new WebSocket(url.replace(/^http/, "ws"), subprotocols[library]);
const client = { stompjs: Stomp, webstomp }[library].over(socket);
client.debug = () => {};

const topic = { topic: `/sub/chat/room/${room}`, exchange: `/exchange/chat.exchange/room.${room}` };
const target = { topic: "/pub/chat/message", exchange: `/pub/chat.message.${room}` };
const send = (type, message, headers) => {
  const body = JSON.stringify({ type, roomId: room, sender: name, message });
  // The libraries take these in another order.
  if (library === "stompjs") client.send(target[family], headers, body);
  else client.send(target[family], body, headers);
};

let sent = 0;
client.onreceipt = (frame) => {
  const receipt = frame.headers["receipt-id"];
  tell(receipt === "subscribed" ? { subscribed: true } : { receipt });
};
// What SockJS and the libraries call differs; the socket's own code is the same for all.
const onclose = (event) => {
  tell({ closed: event.code ?? null });
  process.exit(0);
};

client.connect(
  { token },
  () => {
    tell({ connected: transport });
    // Set after the library has set its own.
    socket.onclose = onclose;
    client.subscribe(topic[family], (message) => {
      const said = JSON.parse(message.body);
      tell({ [said.type]: said, id: message.headers["message-id"] });
    }, { receipt: "subscribed" });
    send("ENTER", "", {});
  },
  (error) => tell({ error: error.headers ? error.headers.message : String(error.reason ?? error) }),
);

createInterface({ input: process.stdin })
  .on("line", (line) => send("TALK", JSON.parse(line), { receipt: `send-${++sent}` }))
  .on("close", () => {
    send("QUIT", "", {});
    client.disconnect(() => tell({ disconnected: true }));
  });
