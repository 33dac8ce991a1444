"""Live notices: to the rooms' `.live` subscribers, and those that are for the gateway itself."""

import orjson
import structlog

from madang_common.events.envelope import Event, read_line
from madang_common.ids import next_id
from madang_common.live.port import Live
from madang_gateway.fanout.broadcaster import Broadcaster
from madang_gateway.node.node import Node
from madang_gateway.protocol.destinations import LIVE_SUFFIX

log = structlog.get_logger()

_LOGIN_ENDED = "login.ended"


async def pass_on(live: Live, delivery: Broadcaster, node: Node) -> None:
    """Deliver notices for as long as the gateway runs."""
    async for lines in live.listen():
        for line in lines:
            try:
                event = read_line(line)
            except ValueError:
                log.exception("notice_unreadable")
                continue
            if event.kind == _LOGIN_ENDED:
                node.end_login(event.user or "", str(event.data.get("login")))
            elif event.room is not None:
                audience = event.audience + LIVE_SUFFIX
                if delivery.reaches(audience):
                    delivery.notice(audience, event, next_id(), _body(event))


def _body(event: Event) -> bytes:
    """Return a notice as clients receive it: an event without `id`, for it has no position."""
    return orjson.dumps(event.document())
