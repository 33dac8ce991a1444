"""What a process tells at `/metrics`."""

import re

import httpx

_ANSWER_SECONDS = 20


def metric(url: str, name: str) -> float:
    """Return what the process at `url` tells under `name`, all labels together."""
    page = httpx.get(f"{url}/metrics", timeout=_ANSWER_SECONDS, trust_env=False).text
    return metric_in(page, name)


def metric_in(page: str, name: str) -> float:
    """Return the sum of all samples of `name` on a page of metrics."""
    return sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)))
