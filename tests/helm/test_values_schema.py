"""The schema of the chart's values knows every value, and describes it as values.yaml does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from contracts.chart.rendering import CHART
from contracts.chart.values import values

_TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")
_SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
_EXTRA = {("global",)}
"""Helm adds it for a chart inside another."""


def test_every_value_has_a_description_and_a_schema() -> None:
    for value in values(_TEXT):
        part = _part(value.path)
        assert value.description, value.path
        if "description" in part and "$ref" not in part:
            assert part["description"] == value.description.replace("`", ""), value.path


def test_every_property_is_a_value() -> None:
    default = yaml.safe_load(_TEXT)

    unknown = {path for path in _properties(_SCHEMA, ()) if not _has(default, path)}

    assert unknown == _EXTRA


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("gateway.replica", 2),
        ("gateway.replicas", "2"),
        ("gateway.image.digest", "sha256:1"),
        ("gateway.settings", {"DRAIN_SECONDS": 1}),
        ("gateway.resources", {"request": {}}),
        ("rabbitmq.users.gateway", {"password": "secret"}),
        ("rabbitmq.port", 0),
        ("publicHosts", ["https://chat.example"]),
        ("proxyAddresses", ["proxy.example"]),
        ("expose.mode", "loadBalancer"),
        ("expose.nginx.settings", {"worker_processes": 1}),
        ("log.shards", 0),
    ],
)
def test_a_wrong_value_is_refused(path: str, value: Any) -> None:
    document: Any = value
    for name in reversed(path.split(".")):
        document = {name: document}

    assert list(Draft7Validator(_SCHEMA).iter_errors(document))


def _part(path: tuple[str, ...]) -> dict[str, Any]:
    part = _SCHEMA
    for name in path:
        part = part["properties"][name]
    return part


def _properties(part: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, inner in part.get("properties", {}).items():
        if "properties" in inner:
            yield from _properties(inner, (*path, name))
        else:
            yield (*path, name)


def _has(document: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    return True
