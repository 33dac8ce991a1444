// A chat client on @stomp/stompjs, unmodified: prints one JSON line for each thing that happens,
// and says each line of its standard input, a JSON string, in the room.
//
//   node stompjs_client.mjs WS_URL TOKEN ROOM [OPTIONS]
//
// OPTIONS are the client's own, as JSON.
import { createInterface } from "node:readline";
import { Client } from "@stomp/stompjs";
import { WebSocket } from "ws";

const [url, token, room, options = "{}"] = process.argv.slice(2);
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");

const client = new Client({
  webSocketFactory: () => new WebSocket(url, ["v12.stomp", "v11.stomp", "v10.stomp"]),
  connectHeaders: { Authorization: `Bearer ${token}` },
  heartbeatIncoming: 5000,
  heartbeatOutgoing: 5000,
  reconnectDelay: 100,
  ...JSON.parse(options),
  onConnect: (frame) => {
    tell({ connected: frame.headers.version });
    client.subscribe(
      `/topic/rooms.${room}`,
      (message) => {
        const event = JSON.parse(message.body);
        const about = event.kind === "message.created" ? "message" : "event";
        tell({ [about]: event, id: message.headers["message-id"] });
      },
      { receipt: "subscribed" },
    );
    client.watchForReceipt("subscribed", () => tell({ subscribed: true }));
  },
  onStompError: (frame) => tell({ error: frame.headers.message }),
  onWebSocketClose: (event) => tell({ closed: event.code }),
});

let sent = 0;
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const receipt = `send-${++sent}`;
    client.watchForReceipt(receipt, (frame) =>
      tell({ receipt, id: frame.headers["message-id"] }),
    );
    client.publish({ destination: `/app/rooms.${room}.send`, body: JSON.parse(line), headers: { receipt } });
  })
  .on("close", async () => {
    await client.deactivate();
    process.exit(0);
  });

client.activate();
