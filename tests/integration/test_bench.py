"""The bench, run as a reader would run it, in its short form."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ["deliveries", "rooms", "connections", "sends"]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run `command` from the repository's root."""
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=90
    )


def bench(*arguments: str, server: str = "naive") -> str:
    """Run the bench on one side and return what it prints."""
    command = [sys.executable, "-m", "bench", "--short", "--server", server, *arguments]
    ended = run(command)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("server", ["naive", "embedded"])
@pytest.mark.parametrize("figure", FIGURES)
def test_each_figure_is_measured_on_its_own(figure: str, server: str) -> None:
    printed = json.loads(bench(figure, "--json", server=server))

    (measured,) = printed["figures"]
    assert measured["figure"] == figure
    assert measured["values"][server] > 0
    assert measured["ratios"][server] is None
    assert printed["machine"]["cores"] >= 1


def test_madang_is_measured_on_a_real_stream() -> None:
    printed = json.loads(bench("sends", "--json", server="madang"))

    (measured,) = printed["figures"]
    assert measured["values"]["madang"] > 0
    (turn,) = measured["turns"]["madang"]
    assert turn["parts_busy"].keys() == {"gateway", "broker"}


@pytest.mark.parametrize("server", ["web-stomp", "nats", "socketio"])
def test_a_peer_delivers_and_acknowledges_as_it_is_counted(server: str) -> None:
    printed = json.loads(bench("deliveries", "sends", "--json", server=server))

    assert [figure["figure"] for figure in printed["figures"]] == ["deliveries", "sends"]
    assert all(figure["values"][server] > 0 for figure in printed["figures"])


def test_all_figures_stand_in_one_table_that_says_what_an_acknowledgement_is_worth() -> None:
    printed = bench()

    rows = printed.splitlines()
    for label in (
        "deliveries/s, 20",
        "deliveries/s, 10 rooms",
        "bytes per idle connection",
        "acknowledged sends/s",
    ):
        assert any(row.startswith(label) for row in rows)
    assert "not durable" in printed
    assert "load generator's cores" in printed


def test_an_unknown_figure_is_refused_with_the_names_of_the_known_ones() -> None:
    command = [sys.executable, "-m", "bench", "happiness"]

    ended = run(command)

    assert ended.returncode == 2
    for figure in FIGURES:
        assert figure in ended.stderr
