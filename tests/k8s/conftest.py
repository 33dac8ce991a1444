import os
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from tests.k8s.figures import Phase, Traffic, append
from tests.k8s.product import Kubernetes, kubernetes
from tests.k8s.release import Release
from tests.k8s.traffic import under_traffic
from tests.support.load_clients import LoadClients

# They change a cluster, so only `python -m tests.k8s` runs them.
collect_ignore_glob = [] if "K8S_FIGURES" in os.environ else ["test_*.py"]

Under = Callable[..., AbstractAsyncContextManager[LoadClients]]

_PHASE = pytest.StashKey[Phase]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the outcome of a phase."""
    report = yield
    if call.when == "call":
        phase = item.stash.setdefault(_PHASE, Phase(item.name, 0, ""))
        phase.seconds, phase.outcome = call.duration, report.outcome
        append(phase)
    return report


@pytest.fixture
def product() -> Kubernetes:
    return kubernetes()


@pytest.fixture
def release(product: Kubernetes) -> Release:
    return Release(product.cluster, product.place)


@pytest.fixture
def traffic(request: pytest.FixtureRequest) -> Traffic:
    """Give the figures of this phase's traffic, which the summary shows."""
    measured = Traffic()
    request.node.stash[_PHASE] = Phase(request.node.name, 0, "", measured)
    return measured


@pytest.fixture
def under(product: Kubernetes, traffic: Traffic) -> Under:
    """Give a context in which clients send and request; it checks them at its end."""
    return partial(under_traffic, product.url, product.ca, product.place.per_second, traffic)
