"""The topology in code, and the commands that operators read."""

from pathlib import Path

from madang_common.log import definitions, topology
from madang_common.log.port import Retention

DEPLOY = Path(__file__).parents[3] / "deploy" / "rabbitmq"


def test_the_permissions_that_operators_read_are_those_of_the_code() -> None:
    readme = (DEPLOY / "README.md").read_text()

    for name, needed in definitions.USERS.items():
        patterns = f"'{needed.configure}' '{needed.write}' '{needed.read}'"
        assert f"set_permissions -p {topology.VHOST} madang-{name} {patterns}\n" in readme


def test_segments_are_a_small_part_of_the_retention() -> None:
    small = topology.stream(0, Retention(60, 16_000_000)).arguments
    large = topology.stream(3, Retention(86_400, 10**12)).arguments

    assert small["x-stream-max-segment-size-bytes"] == 1_000_000
    assert small["x-max-age"] == "60s"
    assert large["x-stream-max-segment-size-bytes"] == 500_000_000
