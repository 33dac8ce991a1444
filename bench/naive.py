"""The chat that the tutorials write: FastAPI, a list of sockets per room, and a loop.

Nothing is stored and nobody is asked who they are. A message that carries `receipt` is answered
with an acknowledgement once the loop over the sockets is through: it says no more than that.
"""

import json
from collections import defaultdict
from datetime import UTC, datetime

from fastapi import FastAPI, WebSocket, WebSocketDisconnect


class ConnectionManager:
    """The sockets of each room."""

    def __init__(self) -> None:
        self.rooms: defaultdict[str, list[WebSocket]] = defaultdict(list)

    async def connect(self, room: str, websocket: WebSocket) -> None:
        await websocket.accept()
        self.rooms[room].append(websocket)

    def disconnect(self, room: str, websocket: WebSocket) -> None:
        self.rooms[room].remove(websocket)

    async def broadcast(self, room: str, text: str) -> None:
        for websocket in list(self.rooms[room]):
            await websocket.send_text(text)


app = FastAPI()
manager = ConnectionManager()


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.websocket("/ws/{room}")
async def chat(websocket: WebSocket, room: str) -> None:
    await manager.connect(room, websocket)
    try:
        while True:
            said = await websocket.receive_json()
            message = {
                "type": "message",
                "room": room,
                "sender": said["sender"],
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "text": said["text"],
            }
            await manager.broadcast(room, json.dumps(message))
            if "receipt" in said:
                await websocket.send_text(json.dumps({"type": "ack", "receipt": said["receipt"]}))
    except WebSocketDisconnect:
        manager.disconnect(room, websocket)
