"""JSON patches (RFC 6902) between two versions of an object."""

from collections.abc import Iterator
from typing import Any

Operation = dict[str, Any]


def operations(before: Any, after: Any, path: str = "") -> Iterator[Operation]:
    """Yield the operations that turn `before` into `after`."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_maps(before, after, path)
    elif _are_alike(before, after):
        for at, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from operations(old, new, f"{path}/{at}")
    else:
        yield {"op": "replace", "path": path, "value": after}


def _of_maps(before: Operation, after: Operation, path: str) -> Iterator[Operation]:
    for key, value in before.items():
        place = f"{path}/{_escaped(key)}"
        if key not in after:
            yield {"op": "remove", "path": place}
        else:
            yield from operations(value, after[key], place)
    for key in after.keys() - before.keys():
        yield {"op": "add", "path": f"{path}/{_escaped(key)}", "value": after[key]}


def _are_alike(before: Any, after: Any) -> bool:
    """Return whether two lists hold the same items by name, in the same order."""
    if not isinstance(before, list) or not isinstance(after, list):
        return False
    return bool(before) and _names(before) == _names(after) and None not in _names(before)


def _names(items: list[Any]) -> list[Any]:
    return [item.get("name") if isinstance(item, dict) else None for item in items]


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
