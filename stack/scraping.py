"""Prometheus in the stack: the product's own configuration, pointed at the stack's processes."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from stack.servers.prometheus import Prometheus

_DEPLOYED = Path(__file__).resolve().parents[1] / "deploy" / "prometheus"
_INTERVAL = "5s"
"""Shorter than in production: tests wait for it."""


def configure_scraping(prometheus: Prometheus, targets: Mapping[str, Sequence[str]]) -> None:
    """Have Prometheus scrape these addresses, by job, and evaluate the product's rules."""
    text = (_DEPLOYED / "prometheus.yml").read_text(encoding="utf-8")
    configuration = yaml.safe_load(text)
    configuration["global"] |= {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL}
    prometheus.configure(yaml.safe_dump(configuration))
    shutil.copyfile(_DEPLOYED / "rules.yml", prometheus.folder / "rules.yml")
    listed = [
        {"labels": {"job": job}, "targets": list(addresses)} for job, addresses in targets.items()
    ]
    (prometheus.folder / "targets.json").write_text(json.dumps(listed), encoding="utf-8")
