"""The chart's values with the descriptions in their comments, read from values.yaml."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

_MARK = "-- "


@dataclass(frozen=True)
class Value:
    """A value that users may set."""

    path: tuple[str, ...]
    default: str
    """As JSON."""
    description: str
    """Empty if the value has none."""


class UndescribedValueError(Exception):
    """A value has no `# -- ` comment; the message names it."""


def values(text: str) -> list[Value]:
    """Return all values in their order; a map with a description of its own is one value."""
    return list(_values(_root(text), (), text.splitlines()))


def introductions(text: str) -> dict[str, str]:
    """Return the comment of each map at the top of the file, by its key."""
    lines = text.splitlines()
    return {
        key.value: _comment(key.start_mark.line, lines)
        for key, node in _root(text).value
        if isinstance(node, yaml.MappingNode)
    }


def _root(text: str) -> yaml.Node:
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    if root is None:
        raise UndescribedValueError("values.yaml has no values")
    return root


def _values(node: yaml.Node, path: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    for key, inner in node.value:
        here = (*path, key.value)
        comment = _comment(key.start_mark.line, lines)
        described = comment.startswith(_MARK)
        if described or not isinstance(inner, yaml.MappingNode) or not inner.value:
            description = comment.removeprefix(_MARK) if described else ""
            yield Value(here, _json(inner), description)
        else:
            yield from _values(inner, here, lines)


def _comment(line: int, lines: list[str]) -> str:
    """Return the comment that ends above a line, as one paragraph; from `-- ` on if it has one."""
    found: list[str] = []
    for above in reversed(lines[:line]):
        text = above.strip()
        if not text.startswith("#"):
            break
        found.insert(0, text.removeprefix("#").strip())
        if found[0].startswith(_MARK):
            break
    return " ".join(part for part in found if part and not part.startswith("@"))


def _json(node: yaml.Node) -> str:
    text = yaml.serialize(node, Dumper=yaml.CSafeDumper)
    return json.dumps(yaml.load(text, Loader=yaml.CSafeLoader), ensure_ascii=False)
