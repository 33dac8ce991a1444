"""Scrape targets, alerts and panels, compared with the existing metrics."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from madang_auth.metrics import AuthMetrics, KeyMetrics
from madang_common.health import Health
from madang_common.metrics import DependencyMetrics, HttpMetrics, LogMetrics, RevocationMetrics
from madang_common.refusals import Refusals
from madang_gateway.metrics import Metrics as GatewayMetrics
from madang_history.metrics import HistoryMetrics
from madang_rooms.metrics import RoomsMetrics
from stack.servers.programs import program
from tests.support.deployment import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
_OURS = re.compile(r"\bmadang_[a-z_]+")
_SELECTED = re.compile(r"\b(madang_[a-z_]+)\{([^}]*)\}")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [program("promtool", package="prometheus"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def metrics() -> Mapping[str, set[str]]:
    """Yield the labels of every series of the services, by its name."""
    registry = CollectorRegistry()
    AuthMetrics(registry)
    GatewayMetrics(registry)
    HistoryMetrics(registry)
    RoomsMetrics(registry, time.time)
    HttpMetrics(registry, "any")
    LogMetrics(registry, "any")
    RevocationMetrics(registry, "any")
    DependencyMetrics(registry, "any", Health({}))
    KeyMetrics(registry, lambda: {"a-kid": "signs"}, lambda: False)
    for service in ("auth", "gateway", "history", "rooms"):
        Refusals(registry, service, [])
    found: dict[str, set[str]] = {}
    for name, collector in registry._names_to_collectors.items():
        found[name] = {*getattr(collector, "_labelnames", ()), "job", "instance"}
    for family in registry.collect():
        if family.type == "histogram":
            for suffix in ("_bucket", "_count", "_sum"):
                # A collector of our own is not known by the names of its series.
                known = found.get(family.name, {"job", "instance"})
                found[family.name + suffix] = known | {"le"}
        elif family.name not in found:
            for sample in family.samples:
                found[sample.name] = {*sample.labels, "job", "instance"}
    return found


def check(expression: str, metrics: Mapping[str, set[str]]) -> None:
    """Check that an expression names only existing series and labels."""
    names = set(_OURS.findall(expression))
    assert names <= metrics.keys(), expression
    for name, selector in _SELECTED.findall(expression):
        assert set(re.findall(r"(\w+)=", selector)) <= metrics[name], expression
    for labels in _GROUPED.findall(expression):
        asked = {label.strip() for label in labels.split(",")}
        for name in names:
            assert asked <= metrics[name], expression


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in (GRAFANA / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            if panel["type"] != "row":
                yield f"{path.stem}: {panel['title']}", panel


def test_prometheus_takes_the_configuration() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


def test_alerts_speak_when_they_should() -> None:
    promtool("test", "rules", PROMETHEUS / "rules.test.yml")

    cases = yaml.safe_load((PROMETHEUS / "rules.test.yml").read_text(encoding="utf-8"))["tests"]
    for case in cases:
        assert [test["alertname"] for test in case["alert_rule_test"]] == [
            alert["alert"] for alert in alerts()
        ]


def test_alerts_ask_for_what_is_told(metrics: Mapping[str, set[str]]) -> None:
    for alert in alerts():
        check(alert["expr"], metrics)
        assert alert["labels"]["severity"] in {"page", "ticket"}


def test_the_dashboard_asks_for_what_is_told(metrics: Mapping[str, set[str]]) -> None:
    expressions = [target["expr"] for _, panel in panels() for target in panel["targets"]]

    assert len(expressions) > 20
    for expression in expressions:
        check(expression, metrics)


def test_prometheus_understands_every_question_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel_{number}", "expr": target["expr"].replace("$__rate_interval", "1m")}
        for number, (_, panel) in enumerate(panels())
        for target in panel["targets"]
    ]
    written = tmp_path / "panels.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    promtool("check", "rules", "--lint=none", written)


def test_the_dashboard_can_be_provisioned() -> None:
    (source,) = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8")
    )["datasources"]

    seen: list[tuple[int, int]] = []
    for title, panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": source["uid"]}, title
        assert panel["description"], title
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, title
        seen.append((place["x"], place["y"]))
    assert len(seen) == len(set(seen))
