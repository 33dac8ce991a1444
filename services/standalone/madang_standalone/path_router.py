"""The one port: which service answers which path, the same paths as behind the proxy."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from madang_common.http.request_limit import RequestAllowance, charged_to


class FrontDoor:
    """Hands each request to the app whose path it begins with, else to `otherwise`.

    `/internal` is nobody's path here, so it cannot be reached from outside.
    """

    def __init__(
        self, apps: Mapping[str, ASGIApp], otherwise: ASGIApp, allowance: RequestAllowance
    ) -> None:
        """Take `apps` by the beginning of their paths; all requests are charged to `allowance`."""
        self._apps = tuple((path, charged_to(app, allowance)) for path, app in apps.items())
        self._otherwise = charged_to(otherwise, allowance)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        for prefix, app in self._apps:
            if path.startswith(prefix):
                await app(scope, receive, send)
                return
        await self._otherwise(scope, receive, send)
