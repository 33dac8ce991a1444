"""`/ws` without an upgrade, which is refused: the path is for WebSocket only."""

from fastapi import APIRouter, Response

from madang_common.problems import UpgradeRequired
from madang_gateway.upgrade.policy import PATH


def router() -> APIRouter:
    """Return the route that answers a plain request with UpgradeRequired."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(PATH)
    async def websocket() -> Response:
        """Refuse a request without an upgrade."""
        raise UpgradeRequired("Open a WebSocket at this path.")

    return routes
