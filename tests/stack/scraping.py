"""What Prometheus is told to scrape in the stack."""

from collections.abc import Mapping, Sequence

import yaml


def scrape_configuration(targets: Mapping[str, Sequence[str]]) -> str:
    """Return the `prometheus.yml` for these addresses, by job."""
    jobs = [
        {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
        for job, addresses in targets.items()
    ]
    return yaml.safe_dump({"global": {"scrape_interval": "5s"}, "scrape_configs": jobs})
