"""The routes of the `rest` figure without Madang: FastAPI, the same query, and the same body.

Nobody is asked who they are or what they may read, nothing is limited, counted or logged. It reads
the servers of a run with the libraries that Madang uses: `BARE_DATABASE_URL`, `BARE_MONGO_URL`,
`BARE_AMQP_URL` and `BARE_REDIS_URL` name them.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import orjson
from argon2 import PasswordHasher
from fastapi import FastAPI, Response
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel
from redis.asyncio import Redis
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import create_async_engine

_PAGE = 50
_STREAM = "bench-bare"
_COLUMNS = "r.id, r.name, r.visibility, r.member_count, r.created_by, r.created_at_ms, m.role"
_ROOMS = text(
    f"SELECT {_COLUMNS} FROM rooms r JOIN memberships m ON m.room_id = r.id"
    " WHERE m.user_id = :user ORDER BY m.room_id DESC LIMIT 51"
)
_ROOM = text(
    f"SELECT {_COLUMNS} FROM rooms r JOIN memberships m ON m.room_id = r.id"
    " WHERE r.id = :room AND m.user_id = :user"
)
_USER = text("SELECT id, password_hash FROM users WHERE username = :username")


class Message(BaseModel):
    """A message to send."""

    text: str


class Credentials(BaseModel):
    """Username and password."""

    username: str
    password: str


database = create_async_engine(os.environ["BARE_DATABASE_URL"], pool_size=20)
mongo: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(os.environ["BARE_MONGO_URL"])
redis = Redis.from_url(os.environ["BARE_REDIS_URL"])
hasher = PasswordHasher()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the channel that messages are published on."""
    async with await aio_pika.connect(os.environ["BARE_AMQP_URL"]) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(_STREAM, durable=True, arguments={"x-queue-type": "stream"})
        app.state.exchange = channel.default_exchange
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.get("/rooms/{room}/messages")
async def page(room: str) -> Response:
    least, most = f"rooms.{room}/", f"rooms.{room}/~"
    cursor = mongo["madang"]["events"].find(
        {"_id": {"$gt": least, "$lt": most}}, batch_size=_PAGE + 1
    )
    found = await cursor.sort("_id", -1).limit(_PAGE + 1).to_list(None)
    return _json({"items": found[:_PAGE][::-1]})


@app.get("/users/{user}/rooms")
async def rooms(user: str) -> Response:
    return _json({"items": [_room(row) for row in await _query(_ROOMS, user=user.encode())]})


@app.get("/users/{user}/rooms/{room}")
async def room(user: str, room: str) -> Response:
    (row,) = await _query(_ROOM, user=user.encode(), room=room.encode())
    return _json(_room(row))


@app.post("/rooms/{room}/messages", status_code=201)
async def send(room: str, message: Message) -> Response:
    event = orjson.dumps({"room": room, "data": {"text": message.text}})
    confirmed = aio_pika.Message(event, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await app.state.exchange.publish(confirmed, _STREAM)
    return Response(event, status_code=201, media_type="application/json")


@app.post("/login")
async def login(credentials: Credentials) -> Response:
    (row,) = await _query(_USER, username=credentials.username.encode())
    stored = row.password_hash.decode()
    await asyncio.to_thread(hasher.verify, stored, credentials.password)
    token = secrets.token_urlsafe(32)
    await redis.set(f"bare:{token}", row.id, ex=600)
    return _json({"access_token": token})


async def _query(query: TextClause, **values: bytes) -> list[Row[Any]]:
    async with database.connect() as connection:
        return list(await connection.execute(query, values))


def _room(row: Row[Any]) -> dict[str, object]:
    return {
        "id": row.id.decode(),
        "name": row.name,
        "visibility": row.visibility,
        "role": row.role,
        "members": row.member_count,
        "created_by": row.created_by.decode(),
        "created_at": row.created_at_ms,
    }


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
