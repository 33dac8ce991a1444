"""The previous version is installed, and upgraded to this one while clients send messages."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.k8s.conftest import Under
from tests.k8s.images import build_images, load_images, sources_of, tag_images
from tests.k8s.place import Place
from tests.k8s.product import Kubernetes
from tests.k8s.release import CHART, Release
from tests.support.deployment import ROOT

_NEW, _OLD = "test", "previous"


def test_images_are_built_and_loaded(product: Kubernetes) -> None:
    build_images(product.place, ROOT, _NEW)
    load_images(product.place, _NEW)
    with _previous(product.place):
        load_images(product.place, _OLD)


def test_previous_version_is_installed(product: Kubernetes, release: Release) -> None:
    product.cluster.create_namespace()

    with _previous(product.place) as chart:
        notes = release.upgrade(chart, _OLD)

    product.await_ready()
    assert "helm test" in notes


def test_helm_test_sends_a_message(release: Release) -> None:
    assert "Phase:          Succeeded" in release.test()


async def test_upgrade_loses_nothing(product: Kubernetes, release: Release, under: Under) -> None:
    # The trial servers restart too, one pod each, so requests fail meanwhile.
    async with under():
        await asyncio.to_thread(release.upgrade, CHART, _NEW)
        await asyncio.to_thread(product.await_ready)


@contextmanager
def _previous(place: Place) -> Iterator[Path]:
    """Give the previous version's chart and make its images; this one's if it had no chart."""
    with sources_of(place.previous) as sources:
        chart = sources / CHART.relative_to(ROOT)
        if (chart / "Chart.yaml").exists():
            build_images(place, sources, _OLD)
            yield chart
        else:
            tag_images(_NEW, _OLD)
            yield CHART
