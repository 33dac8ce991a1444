"""The list of pinned images, and the files that repeat its pins."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from contracts.images.reference import Image, ImageReferenceError, familiar

LIST = "deploy/images.json"
_WITH_REFERENCES = (
    "docker-compose.yml",
    "services/*/Dockerfile",
    "deploy/*/Dockerfile",
    "deploy/helm/*/Chart.yaml",
)
"""Files with references after `image:` or `FROM`."""
_WITH_MAPPINGS = ("deploy/helm/*/values.yaml",)
"""Files with mappings of `repository`, `tag` and `digest`."""
_OWN = "madang-"
_REFERENCE = re.compile(
    r"^(?P<before>\s*(?:- )?image:\s+|FROM\s+)(?P<image>[^\s#$]+)", re.MULTILINE
)
_REPOSITORY = re.compile(r"^(?P<indent>[ ]*)repository:[ ]*[\"']?(?P<name>[^\s\"'#]+)[\"']?")
_COMMENT = re.compile(r"[ ]+#.*")


class UnpinnedError(Exception):
    """A file names an image that is not in the list."""


def read(root: Path) -> dict[str, Image]:
    """Return the images of the list by name."""
    listed = [Image(**entry) for entry in json.loads((root / LIST).read_text(encoding="utf-8"))]
    return {image.name: image for image in listed}


def files(root: Path) -> dict[str, str]:
    """Return the text of the list and of each file that repeats it, by path."""
    paths = [root / LIST]
    for pattern in (*_WITH_REFERENCES, *_WITH_MAPPINGS):
        paths += sorted(root.glob(pattern))
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in paths}


def pinned(texts: Mapping[str, str], images: Iterable[Image]) -> dict[str, str]:
    """Return the files of `texts` with the pins of `images`."""
    by_name = {image.name: image for image in images}
    result = {}
    for path, text in texts.items():
        if path == LIST:
            result[path] = _list(by_name.values())
        elif any(Path(path).match(pattern) for pattern in _WITH_MAPPINGS):
            result[path] = "".join(_mappings(path, text.splitlines(keepends=True), by_name))
        else:
            result[path] = _references(path, text, by_name)
    return result


def _list(images: Iterable[Image]) -> str:
    entries = [asdict(image) for image in sorted(images, key=lambda image: image.name)]
    return json.dumps(entries, indent=2) + "\n"


def _references(path: str, text: str, images: Mapping[str, Image]) -> str:
    def pin(found: re.Match[str]) -> str:
        if found["image"].startswith(_OWN):
            return found[0]
        try:
            name = Image.parse(found["image"]).name
        except ImageReferenceError as error:
            raise UnpinnedError(f"{path}: {error}") from error
        return f"{found['before']}{_listed(path, name, images)}"

    return _REFERENCE.sub(pin, text)


def _mappings(path: str, lines: list[str], images: Mapping[str, Image]) -> Iterator[str]:
    """Yield the lines with the tag and digest of each mapping whose `repository` is listed."""
    pins: dict[int, str] = {}
    for number, line in enumerate(lines):
        found = _REPOSITORY.match(line)
        if found is None:
            continue
        siblings = _siblings(lines, number, len(found["indent"]))
        if not {"tag", "digest"} <= siblings.keys():
            continue
        name = familiar(found["name"])
        if name.startswith(_OWN) or name.rpartition("/")[2].startswith(_OWN):
            continue
        image = _listed(path, name, images)
        for key, value in (("tag", image.tag), ("digest", image.digest)):
            pins[siblings[key]] = f'{found["indent"]}{key}: "{value}"'
    for number, line in enumerate(lines):
        yield _with_value(line, pins[number]) if number in pins else line


def _siblings(lines: list[str], number: int, indent: int) -> dict[str, int]:
    """Return the line numbers of the keys in the same mapping as the line `number`."""
    found = {}
    for step in (-1, 1):
        at = number
        while 0 <= at < len(lines):
            text = lines[at].strip()
            depth = len(lines[at]) - len(lines[at].lstrip(" "))
            if text and not text.startswith("#"):
                if depth < indent:
                    break
                if depth == indent:
                    found[text.partition(":")[0]] = at
            at += step
    return found


def _with_value(line: str, pinned: str) -> str:
    """Return `pinned` with the comment and the end of `line`."""
    comment = _COMMENT.search(line)
    return f"{pinned}{comment[0] if comment else ''}\n"


def _listed(path: str, name: str, images: Mapping[str, Image]) -> Image:
    if name not in images:
        raise UnpinnedError(f"{path}: {name} is not in {LIST}")
    return images[name]
