"""An API server with a few existing objects, for what the chart looks up when it is upgraded."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from contracts.chart.manifests import Manifests, Object
from tests.support.http_server import Answer, Request, http_server

_MISSING: Object = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "NotFound",
    "code": 404,
}
_VERSION = {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}


@contextmanager
def api_server(known: Manifests, existing: list[Object]) -> Iterator[str]:
    """Serve the kinds of `known` and the objects of `existing`; yield the URL."""
    answers = {**_discovery(known), **{_path(item): item for item in existing}}

    def answer(request: Request) -> Answer:
        found = answers.get(request.path.partition("?")[0], _MISSING)
        status = 404 if found is _MISSING else 200
        return Answer(json.dumps(found).encode(), status, {"Content-Type": "application/json"})

    with http_server(answer) as host:
        yield f"http://{host}"


def _discovery(known: Manifests) -> Mapping[str, Object]:
    kinds = sorted({(item["apiVersion"], item["kind"]) for item in known.objects})
    versions = sorted({version for version, _ in kinds})
    groups = [
        {
            "name": version.partition("/")[0],
            "versions": [{"groupVersion": version, "version": version.partition("/")[2]}],
        }
        for version in versions
        if "/" in version
    ]
    lists = {
        _root(version): {
            "kind": "APIResourceList",
            "groupVersion": version,
            "resources": [
                {
                    "name": _plural(kind),
                    "singularName": "",
                    "namespaced": True,
                    "kind": kind,
                    "verbs": ["get"],
                }
                for group_version, kind in kinds
                if group_version == version
            ],
        }
        for version in versions
    }
    return {
        "/version": _VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
        **lists,
    }


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _plural(kind: str) -> str:
    return f"{kind.lower()}s"


def _path(item: Object) -> str:
    where = item["metadata"]
    root = _root(item["apiVersion"])
    return f"{root}/namespaces/{where['namespace']}/{_plural(item['kind'])}/{where['name']}"
