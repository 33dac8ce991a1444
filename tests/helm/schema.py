"""Validates objects against the schemas of Kubernetes and of custom resources."""

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from contracts.chart.manifests import Manifests, Object, title
from contracts.chart.rendering import KUBERNETES
from tests.helm.custom_resources import KINDS, SCHEMAS

_FOLDER = f"kubernetes-json-schema/v{KUBERNETES}.0-local-strict"


def faults(manifests: Manifests) -> list[str]:
    """Return a sentence for each object that its schema refuses; unknown fields are refused."""
    return [fault for item in manifests.objects if (fault := _fault(item)) is not None]


def _fault(item: Object) -> str | None:
    try:
        validator = _validator(item["kind"], item["apiVersion"])
    except FileNotFoundError:
        return f"{title(item)}: Kubernetes {KUBERNETES} has no {item['apiVersion']} {item['kind']}"
    error = best_match(validator.iter_errors(item))
    if error is None:
        return None
    return f"{title(item)}: {error.json_path}: {error.message[:300]}"


@cache
def _validator(kind: str, api: str) -> Draft202012Validator:
    if kind in KINDS:
        path = SCHEMAS / f"{kind.lower()}.json"
        return Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
    # Named by kind and by the first part of the group: deployment-apps-v1, service-v1.
    version = re.sub(r"^([^./]*)[^/]*/", r"\1-", api)
    schema = schema_contents(f"{_FOLDER}/{kind.lower()}-{version}.json", KUBERNETES)
    return Draft202012Validator(schema, registry=_registry())


@cache
def _registry() -> Registry[Any]:
    definitions = schema_contents(f"{_FOLDER}/_definitions.json", KUBERNETES)
    return Resource.from_contents(definitions) @ Registry[Any]()
