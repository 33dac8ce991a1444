"""Container images without content, pushed to a registry."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import httpx

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
PLATFORMS = ("amd64", "arm64")


def digest_of(content: bytes) -> str:
    """Return the digest of content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def index(path: str, platforms: Sequence[str] = PLATFORMS, *, version: str = "") -> bytes:
    """Return the index of an image for Linux on `platforms`; `version` makes it differ."""
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": _INDEX,
            "manifests": [
                _descriptor(_MANIFEST, _manifest(path, name))
                | {"platform": {"os": "linux", "architecture": name}}
                for name in platforms
            ],
            "annotations": {"version": version},
        }
    )


def push_index(
    registry: httpx.Client,
    path: str,
    tag: str,
    platforms: Sequence[str] = PLATFORMS,
    *,
    version: str = "",
) -> str:
    """Push an image for some platforms; return the digest of its index."""
    for name in platforms:
        push_manifest(registry, path, digest_of(_manifest(path, name)), name)
    content = index(path, platforms, version=version)
    _put(registry, path, tag, content, _INDEX)
    return digest_of(content)


def push_manifest(
    registry: httpx.Client, path: str, reference: str, platform: str = "amd64"
) -> None:
    """Push an image for one platform, without an index."""
    begun = registry.post(f"/v2/{path}/blobs/uploads/").raise_for_status()
    config = _config(path, platform)
    place = httpx.URL(begun.headers["Location"]).copy_add_param("digest", digest_of(config))
    registry.put(place, content=config).raise_for_status()
    _put(registry, path, reference, _manifest(path, platform), _MANIFEST)


def _put(registry: httpx.Client, path: str, reference: str, content: bytes, kind: str) -> None:
    url = f"/v2/{path}/manifests/{reference}"
    registry.put(url, content=content, headers={"Content-Type": kind}).raise_for_status()


def _manifest(path: str, platform: str) -> bytes:
    config = _descriptor(_CONFIG, _config(path, platform))
    return _json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": []})


def _config(path: str, platform: str) -> bytes:
    return _json({"os": "linux", "architecture": platform, "author": path})


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest_of(content), "size": len(content)}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
