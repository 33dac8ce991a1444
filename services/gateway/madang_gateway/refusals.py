"""The gateway's refusals, over STOMP and REST."""

from prometheus_client import CollectorRegistry

from madang_common import refusals
from madang_common.http.hosts import UnknownHost
from madang_common.problems import (
    DeletedMessage,
    Forbidden,
    InvalidBody,
    InvalidRequest,
    KeyConflict,
    NotAMember,
    NotFound,
    TooLarge,
    TooManyReactions,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UpgradeRequired,
)

PROTOCOL_ERROR = "protocol-error"
"""Type of a refusal for a STOMP protocol error, which is not a Problem."""
_KINDS = (
    InvalidRequest,
    Unauthenticated,
    Forbidden,
    NotAMember,
    NotFound,
    KeyConflict,
    DeletedMessage,
    TooManyReactions,
    TooLarge,
    UnknownHost,
    InvalidBody,
    UpgradeRequired,
    TooManyRequests,
    Unavailable,
)


class Refusals(refusals.Refusals):
    """Counts and logs each refusal of the gateway, over STOMP and REST alike."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, "gateway", [PROTOCOL_ERROR, *(kind.slug for kind in _KINDS)])
