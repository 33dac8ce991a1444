"""Routes each request of the one port to an app by its path, as the proxy does for processes."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from madang_common.http.request_limit import RequestAllowance, charged_to


class PathRouter:
    """Calls the app whose prefix the path begins with, or else `default`.

    No prefix is `/internal`, so clients cannot reach those endpoints.
    """

    def __init__(
        self, apps: Mapping[str, ASGIApp], default: ASGIApp, allowance: RequestAllowance
    ) -> None:
        """Route to `apps`, by prefix; charge every request to `allowance`."""
        self._apps = tuple((prefix, charged_to(app, allowance)) for prefix, app in apps.items())
        self._default = charged_to(default, allowance)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        for prefix, app in self._apps:
            if path.startswith(prefix):
                await app(scope, receive, send)
                return
        await self._default(scope, receive, send)
