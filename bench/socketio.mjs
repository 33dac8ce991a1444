// The chat that Socket.IO's own guide writes: rooms of the library, nothing stored, nobody asked.
// `node socketio.mjs PORT` starts it.
import { createServer } from "node:http";
import { Server } from "socket.io";

const HOUR = 3_600_000;

// Anything that is no WebSocket asks whether it is ready.
const http = createServer((_request, response) => response.end("ready"));
const io = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  perMessageDeflate: false,
  pingInterval: HOUR,
  pingTimeout: HOUR,
});

io.on("connection", (socket) => {
  socket.on("join", (room, joined) => {
    socket.join(room);
    joined();
  });
  socket.on("say", ({ room, sender, text, receipt }, acknowledge) => {
    io.to(room).emit("message", { room, sender, at: new Date().toISOString(), text });
    acknowledge?.(receipt);
  });
});

http.listen(Number(process.argv[2]), "127.0.0.1", 4096);
