"""Delivers live events to the rooms' `.live` subscriptions, and applies revocations."""

import orjson
import structlog

from madang_common.events.envelope import read_line
from madang_common.events.kinds import LoginEnded
from madang_common.ids import next_id
from madang_common.live.port import Live
from madang_gateway.fanout.broadcaster import Broadcaster
from madang_gateway.node.node import Node
from madang_gateway.protocol.destinations import LIVE_SUFFIX

log = structlog.get_logger()


async def deliver_live_events(live: Live, broadcaster: Broadcaster, node: Node) -> None:
    """Deliver every live event for as long as the gateway runs."""
    async for lines in live.listen():
        for line in lines:
            try:
                event = read_line(line)
            except ValueError:
                log.exception("notice_unreadable")
                continue
            if event.kind == LoginEnded.kind:
                node.revoke_session(event.user or "", str(event.data.get("login")))
            elif event.room is not None:
                audience = event.audience + LIVE_SUFFIX
                if broadcaster.reaches(audience):
                    # Without `id`: a live event has no position.
                    body = orjson.dumps(event.document())
                    broadcaster.live_event(audience, event, next_id(), body)
