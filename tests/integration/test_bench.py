"""The bench, run as a reader would run it, in its short form."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the bench from the repository's root."""
    return subprocess.run(
        [sys.executable, "-m", "bench", "--short", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def printed(*arguments: str) -> str:
    """Return the bench's output."""
    ended = run(*arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def measured(*figures: str, server: str) -> list[dict[str, Any]]:
    """Return some figures of one target."""
    told = json.loads(printed(*figures, "--json", "--server", server))
    assert told["machine"]["cores"] >= 1
    results: list[dict[str, Any]] = told["figures"]
    return results


def test_the_embedded_form_is_measured() -> None:
    deliveries, connections, sends = measured(
        "deliveries", "connections", "sends", server="embedded"
    )

    for result in (deliveries, connections, sends):
        assert result["values"]["embedded"] > 0
        assert result["ratios"]["embedded"] is None


@pytest.fixture(scope="module")
def on_servers() -> Mapping[str, dict[str, Any]]:
    """Give the figures of Madang on real servers, which one run starts once for all of them."""
    results = measured("sends", "foreign", "curves", server="madang")
    names = ("sends", "foreign", "subscribers", "rooms")
    return dict(zip(names, results, strict=True))


def test_madang_is_measured_on_a_real_stream(on_servers: Mapping[str, dict[str, Any]]) -> None:
    sends = on_servers["sends"]

    assert sends["values"]["madang"] > 0
    (run,) = sends["runs"]["madang"]
    assert run["parts_busy"].keys() == {"gateway", "broker"}


def test_an_event_of_nobody_here_and_the_cost_of_more_rooms_are_measured(
    on_servers: Mapping[str, dict[str, Any]],
) -> None:
    assert on_servers["foreign"]["values"].keys() == {"gateway", "dispatcher"}
    assert on_servers["subscribers"]["values"].keys() == {"5", "20"}
    assert on_servers["rooms"]["values"].keys() == {"5", "50"}


@pytest.mark.parametrize("server", ["web-stomp", "nats", "socketio"])
def test_a_peer_delivers_and_acknowledges_as_it_is_counted(server: str) -> None:
    results = measured("deliveries", "sends", server=server)

    assert [result["figure"] for result in results] == ["deliveries", "sends"]
    assert all(result["values"][server] > 0 for result in results)


def test_every_figure_of_a_chat_has_a_table() -> None:
    figures = ["deliveries", "rooms", "sends", "latency", "connections", "connects"]

    table = printed(*figures, "--server", "naive")

    labels = [
        "deliveries/s, 20 subscribers in one room",
        "deliveries/s, 10 rooms of 4 subscribers",
        "acknowledged sends/s",
        "p50 of the time to an acknowledgement",
        "bytes of memory per idle connection",
        "connections taken/s",
    ]
    for label in labels:
        assert any(line.startswith(label) for line in table.splitlines())
    assert "not durable" in table


def test_the_tables_of_the_documentation_are_printed() -> None:
    page = printed("sends", "--markdown", "--server", "naive")

    assert "| figure | Madang | to reach | reached |" in page
    assert "| naive FastAPI |" in page


def test_an_unknown_figure_is_refused_with_the_names_of_the_known_ones() -> None:
    ended = run("happiness")

    assert ended.returncode == 2
    assert "happiness is none of deliveries, rooms, sends, latency" in ended.stderr
