"""The topology in code, and the files that operators load."""

from pathlib import Path

import orjson

from madang_common.log import topology
from madang_common.log.port import Retention
from madang_common.settings import CommonSettings

DEPLOY = Path(__file__).parents[3] / "deploy" / "rabbitmq"


def test_the_definitions_file_equals_the_topology() -> None:
    fields = CommonSettings.model_fields
    kept = Retention(fields["log_retention_seconds"].default, fields["log_retention_bytes"].default)

    generated = topology.text(fields["log_shards"].default, kept)

    assert generated == (DEPLOY / "definitions.json").read_text(), (
        "run: python -m madang_common.log.topology > deploy/rabbitmq/definitions.json"
    )


def test_the_definitions_contain_no_users() -> None:
    loaded = orjson.loads((DEPLOY / "definitions.json").read_bytes())

    assert set(loaded) == {"vhosts", "exchanges", "queues", "bindings"}


def test_the_permissions_that_operators_read_are_those_of_the_code() -> None:
    readme = (DEPLOY / "README.md").read_text()

    for service, needed in topology.PERMISSIONS.items():
        patterns = f"'{needed.configure}' '{needed.write}' '{needed.read}'"
        assert f"set_permissions -p {topology.VHOST} {service} {patterns}\n" in readme


def test_segments_are_a_small_part_of_the_retention() -> None:
    small = topology.stream(0, Retention(60, 16_000_000)).arguments
    large = topology.stream(3, Retention(86_400, 10**12)).arguments

    assert small["x-stream-max-segment-size-bytes"] == 1_000_000
    assert small["x-max-age"] == "60s"
    assert large["x-stream-max-segment-size-bytes"] == 500_000_000
