"""Metrics of a process, read from `/metrics`."""

import re

import httpx

_ANSWER_SECONDS = 20


def metric(url: str, name: str, label: str = "") -> float:
    """Return the metric `name` of the process at `url`, summed over all labels or those with one.

    `label` is written as on the page: `source="tail"`.
    """
    page = httpx.get(f"{url}/metrics", timeout=_ANSWER_SECONDS, trust_env=False).text
    return metric_in(page, name, label)


def metric_in(page: str, name: str, label: str = "") -> float:
    """Return the sum of all samples of `name`, with `label` if given, on a page of metrics."""
    samples = re.findall(rf"^{name}({{.*}})? (\S+)$", page, re.MULTILINE)
    return sum(float(value) for labels, value in samples if label in labels)
