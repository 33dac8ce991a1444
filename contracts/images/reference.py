"""References to images, by Docker's rules."""

import re
from dataclasses import dataclass
from typing import Self

from typing_extensions import override

_DEFAULT_FOLDER = "library/"
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ImageReferenceError(ValueError):
    """A reference cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Image:
    """A pinned image; an empty digest means that only the tag is known."""

    name: str
    tag: str
    digest: str = ""

    def __post_init__(self) -> None:
        if not self.name or self.name != familiar(self.name):
            raise ImageReferenceError(
                f"image {self.name!r}: write the name as {familiar(self.name)!r}"
            )
        if not _TAG.fullmatch(self.tag) or self.tag == "latest" or not re.search(r"\d", self.tag):
            raise ImageReferenceError(f"{self.name}: tag {self.tag!r} is not the tag of a version")
        if self.digest and not DIGEST.fullmatch(self.digest):
            raise ImageReferenceError(
                f"{self.name}:{self.tag}: digest {self.digest!r} is not a SHA-256"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name:tag` or `name:tag@digest`."""
        name, _, digest = text.partition("@")
        path, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:
            raise ImageReferenceError(f"image {text!r} has no tag")
        return cls(familiar(path), tag, digest)

    @property
    def host(self) -> str:
        """The host and port in its name; empty for an image of the engine's default registry."""
        first, slash, _ = self.name.partition("/")
        return first if slash and _is_host(first) else ""

    @property
    def path(self) -> str:
        """Its path at its registry."""
        if self.host:
            return self.name.partition("/")[2]
        return self.name if "/" in self.name else _DEFAULT_FOLDER + self.name

    @override
    def __str__(self) -> str:
        """Return its reference, with the digest if that is known."""
        return f"{self.name}:{self.tag}{'@' if self.digest else ''}{self.digest}"


def familiar(name: str) -> str:
    """Return the short form of a name: without the folder that Docker adds to a single word."""
    rest = name.removeprefix(_DEFAULT_FOLDER)
    return name if "/" in rest else rest


def _is_host(part: str) -> bool:
    return "." in part or ":" in part or part == "localhost"
