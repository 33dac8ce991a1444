"""The embedded form: one process, one data folder, one port."""

import json
import stat
from pathlib import Path

import httpx
import pytest

from tests.e2e.embedded import Embedded
from tests.e2e.people import register

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def test_what_lies_in_a_folder_that_all_may_enter_is_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)

    product = Embedded.start(tmp_path)
    readable = [path.name for path in data.rglob("*") if path.stat().st_mode & _OTHERS]
    product.stop()

    assert (data / "log.db").exists()
    assert readable == []


def test_a_second_process_on_the_same_folder_is_refused(embedded: Embedded) -> None:
    with pytest.raises(AssertionError, match=r"data is in use by process \d+"):
        Embedded.start(embedded.folder)


def test_it_stops_when_asked(embedded: Embedded) -> None:
    assert embedded.stop() == 0


def test_what_its_services_ask_each_other_is_not_logged(embedded: Embedded) -> None:
    with httpx.Client(base_url=embedded.url) as client:
        minji = register(client, "minji")
        minji.call("GET", "/api/rooms/v1/rooms/nowhere", status=404)
    embedded.stop()

    lines = [json.loads(line) for line in embedded.log_file.read_text("utf-8").splitlines()]
    requests = [line["route"] for line in lines if line["event"] == "request"]
    assert "/api/rooms/v1/rooms/{room}" in requests
    assert all(route.startswith("/api/") for route in requests), requests
    (refused,) = (line for line in lines if line["event"] == "refused")
    assert (refused["type"], refused["user_id"], refused["room"]) == (
        "not-found",
        minji.id,
        "nowhere",
    )


def test_the_process_speaks_for_all_its_services(embedded: Embedded) -> None:
    ready = httpx.get(f"{embedded.url}/health/ready")
    metrics = httpx.get(f"{embedded.url}/metrics").text

    assert ready.status_code == 200
    services = {name.partition(".")[0] for name in ready.json()["dependencies"]}
    assert services == {"auth", "rooms", "history", "gateway"}
    for service in services:
        assert f'madang_http_requests_running{{service="{service}"}}' in metrics
        assert f"# HELP madang_{service}_" in metrics
        assert f'madang_{service}_refusals_total{{type="too-many-requests"}} 0.0' in metrics
    assert metrics.count("# TYPE madang_http_request_seconds histogram") == 1
