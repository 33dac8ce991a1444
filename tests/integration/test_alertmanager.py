"""Alerts from Prometheus through Alertmanager to a webhook, and the examples of its README."""

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.run import ServerRun
from stack.scraping import configure_scraping
from stack.servers import Alertmanager, Prometheus
from stack.servers.deadline import wait_until
from stack.servers.programs import program
from tests.support.deployment import ROOT
from tests.support.http_server import Answer, Request, http_server

CONFIG = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
_SECONDS = 30


def amtool(*arguments: str | Path) -> str:
    done = subprocess.run(
        [program("amtool", package="prometheus-alertmanager"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return loaded


def rules() -> list[dict[str, Any]]:
    text = (ROOT / "deploy/prometheus/rules.yml").read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def test_alertmanager_takes_the_configuration() -> None:
    assert "2 receivers" in amtool("check-config", CONFIG)


@pytest.mark.parametrize("severity", sorted({rule["labels"]["severity"] for rule in rules()}))
def test_an_alert_is_routed_by_its_severity(severity: str) -> None:
    routed = amtool("config", "routes", "test", f"--config.file={CONFIG}", f"severity={severity}")

    assert routed.split() == [severity]


def test_inhibitions_name_alerts_that_exist() -> None:
    known = {alert["alert"] for alert in rules()}
    matchers = [
        matcher
        for rule in config()["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
    ]
    named = [re.fullmatch(r'alertname=~?"([^"]+)"', matcher) for matcher in matchers]

    found = {name for match in named if match for name in match[1].split("|")}

    assert len(found) >= 6
    assert found <= known


def examples() -> list[str]:
    text = (CONFIG.parent / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("example", examples(), ids=("mail", "slack", "webhook"))
def test_alertmanager_takes_the_examples_of_the_readme(example: str, tmp_path: Path) -> None:
    loaded = yaml.safe_load(example)
    (receiver,) = loaded["receivers"]
    others = [one for one in config()["receivers"] if one["name"] != receiver["name"]]
    written = tmp_path / "alertmanager.yml"
    written.write_text(yaml.safe_dump(config() | loaded | {"receivers": [receiver, *others]}))

    amtool("check-config", written)

    assert len(others) == 1
    for path in re.findall(r"\w+_file: (\S+)", example):
        assert path.startswith("/etc/alertmanager/")


@pytest.fixture
def servers(server_run: ServerRun) -> Iterator[tuple[Prometheus, Alertmanager]]:
    """Give a Prometheus and an Alertmanager that do not run yet."""
    folder = server_run.folder / f"alerts_{time.monotonic_ns()}"
    server_run.watch()
    both = Prometheus(folder / "prometheus"), Alertmanager(folder / "alertmanager")
    yield both
    for server in both:
        server.kill()


def configure_without_waits(prometheus: Prometheus, alertmanager: Alertmanager, host: str) -> None:
    """Configure both as the product does, with short intervals and `host` as gateway and webhook.

    The only replica of auth is an address where nothing listens.
    """
    configure_scraping(prometheus, alertmanager, {"gateway": [host], "auth": ["127.0.0.1:1"]})
    intervals = ("scrape_interval", "scrape_timeout", "evaluation_interval")
    change(prometheus.config, {"global": dict.fromkeys(intervals, "200ms")})
    at_once = [{**rule, "for": "0s"} for rule in rules()]
    change(prometheus.folder / "rules.yml", {"groups": [{"name": "madang", "rules": at_once}]})
    route = config()["route"]
    for part in (route, *route["routes"]):
        part["group_wait"] = "1s"
    receivers = [
        {"name": name, "webhook_configs": [{"url": f"http://{host}/{name}"}]}
        for name in ("page", "ticket")
    ]
    change(alertmanager.config, {"route": route, "receivers": receivers})


def change(path: Path, parts: Mapping[str, Any]) -> None:
    """Replace `parts` at the top level of a YAML file."""
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(loaded | parts), encoding="utf-8")


def test_a_firing_alert_reaches_its_receiver(servers: tuple[Prometheus, Alertmanager]) -> None:
    prometheus, alertmanager = servers
    sent: list[tuple[str, dict[str, Any]]] = []

    def receive(request: Request) -> Answer:
        if request.method == "POST":
            sent.append((request.path, json.loads(request.body)))
        # The metric of a gateway whose recent events reach back too little.
        return Answer(b"madang_gateway_tail_reach_seconds 5\n")

    with http_server(receive) as host:
        configure_without_waits(prometheus, alertmanager, host)

        alertmanager.start()
        prometheus.start()
        wait_until(lambda: {path for path, _ in sent} == {"/page", "/ticket"}, seconds=_SECONDS)

        # Each has come to the receiver of its severity, once, without the inhibited one.
        assert alertmanager.alerts() == {
            "MadangServiceGone": "active",
            "MadangInstanceDown": "suppressed",
            "MadangTailShort": "active",
        }
    told = Counter(
        (path, alert["labels"]["alertname"], alert["annotations"]["summary"])
        for path, body in sent
        for alert in body["alerts"]
    )
    assert {(path, name) for path, name, _ in told} == {
        ("/page", "MadangServiceGone"),
        ("/ticket", "MadangTailShort"),
    }
    assert ("/page", "MadangServiceGone", "No replica of auth answers.") in told
    assert set(told.values()) == {1}
