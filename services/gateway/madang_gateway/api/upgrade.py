"""`/ws` without an upgrade: WebSocket is all that is spoken there."""

from fastapi import APIRouter, Response

from madang_common.problems import UpgradeRequired
from madang_gateway.upgrade.policy import PATH


def router() -> APIRouter:
    """Return the route that tells a plain request to upgrade."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(PATH)
    async def websocket() -> Response:
        """Refuse what came without an upgrade."""
        raise UpgradeRequired("Open a WebSocket at this path.")

    return routes
