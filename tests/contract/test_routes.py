"""Rules for the routes of all services."""

from collections.abc import Iterator
from inspect import iscoroutinefunction
from pathlib import Path

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from madang_standalone.settings import StandaloneSettings
from madang_standalone.wiring import services


async def test_no_route_and_no_dependency_runs_in_a_thread(tmp_path: Path) -> None:
    """FastAPI runs what is not `async def` in a thread, which costs more than a whole request."""
    async with services(StandaloneSettings(data_dir=tmp_path)) as apps:
        routers: list[APIRouter] = [router for app in apps.values() for router in app.state.routers]

    called = {
        call
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for call in _calls(route.dependant)
    }

    assert len(called) > len(routers)
    assert [call for call in called if not iscoroutinefunction(call)] == []


def _calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for dependency in dependant.dependencies:
        yield from _calls(dependency)
