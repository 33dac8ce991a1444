"""Writes strict JSON schemas of custom resources from their definitions.

python -m tests.helm.custom_resources DEFINITIONS.yaml ...

Each file holds CustomResourceDefinitions, alone, as a stream or as a List: what a project
publishes with its releases, or the output of `kubectl get crd -o yaml`.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).with_name("schemas")
KINDS = frozenset({"HTTPRoute", "ServiceMonitor", "PrometheusRule"})
"""The custom resources that the chart creates."""
_KEPT = (
    *("allOf", "anyOf", "oneOf", "not", "enum", "pattern", "required", "minimum", "maximum"),
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
)
_OPEN = "x-kubernetes-preserve-unknown-fields"


def main() -> int:
    """Write the schema of each kind found in the files of the command line."""
    for path in sys.argv[1:]:
        for document in yaml.safe_load_all(Path(path).read_text(encoding="utf-8")):
            for definition in _definitions(document):
                _write(definition)
    return 0


def strict(schema: Any) -> Any:
    """Return an OpenAPI schema of a definition as a JSON schema that refuses unknown fields."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {key: strict(schema[key]) for key in _KEPT if key in schema}
    if "type" in schema:
        converted["type"] = [schema["type"], "null"] if schema.get("nullable") else schema["type"]
    if schema.get("x-kubernetes-int-or-string"):
        converted["type"] = ["integer", "string"]
    if "items" in schema:
        converted["items"] = strict(schema["items"])
    if "properties" in schema:
        converted["properties"] = {
            name: strict(part) for name, part in schema["properties"].items()
        }
    if isinstance(schema.get("additionalProperties"), dict):
        converted["additionalProperties"] = strict(schema["additionalProperties"])
    elif schema.get("type") == "object" and "properties" in schema and not schema.get(_OPEN):
        converted["additionalProperties"] = False
    return converted


def _definitions(document: Any) -> Iterator[Any]:
    if document and document["kind"] == "List":
        for item in document["items"]:
            yield from _definitions(item)
    elif document and document.get("spec", {}).get("names", {}).get("kind") in KINDS:
        yield document


def _write(definition: Any) -> None:
    kind = definition["spec"]["names"]["kind"]
    version = next(found for found in definition["spec"]["versions"] if found["storage"])
    schema = strict(version["schema"]["openAPIV3Schema"])
    api = f"{definition['spec']['group']}/{version['name']}"
    schema["properties"] |= {
        "apiVersion": {"const": api},
        "kind": {"const": kind},
        "metadata": {"type": "object"},
    }
    schema["required"] = sorted({*schema.get("required", []), "apiVersion", "kind", "metadata"})
    schema["additionalProperties"] = False
    path = SCHEMAS / f"{kind.lower()}.json"
    path.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
