"""Prometheus and Alertmanager with the product's own configuration, pointed at other processes."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from stack.servers.alertmanager import Alertmanager
from stack.servers.prometheus import Prometheus

_DEPLOYED = Path(__file__).resolve().parents[1] / "deploy"
_INTERVAL = "5s"
"""Shorter than in production: tests wait for it."""


def configure_scraping(
    prometheus: Prometheus, alertmanager: Alertmanager, targets: Mapping[str, Sequence[str]]
) -> None:
    """Have Prometheus scrape these addresses, by job, and send the product's alerts."""
    text = (_DEPLOYED / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    configuration = yaml.safe_load(text)
    configuration["global"] |= {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL}
    (sent_to,) = configuration["alerting"]["alertmanagers"]
    sent_to["static_configs"] = [{"targets": [alertmanager.address]}]
    prometheus.configure(yaml.safe_dump(configuration))
    shutil.copyfile(_DEPLOYED / "prometheus" / "rules.yml", prometheus.folder / "rules.yml")
    alertmanager.configure(
        (_DEPLOYED / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    )
    listed = [
        {"labels": {"job": job}, "targets": list(addresses)} for job, addresses in targets.items()
    ]
    (prometheus.folder / "targets.json").write_text(json.dumps(listed), encoding="utf-8")
