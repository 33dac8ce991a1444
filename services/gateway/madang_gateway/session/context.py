"""The objects that all sessions of a gateway share."""

from dataclasses import dataclass

from madang_common.tokens.verifier import TokenVerifier
from madang_gateway.metrics import Metrics
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.refusals import Refusals
from madang_gateway.session.authentication import Authentication
from madang_gateway.session.commands import Commands
from madang_gateway.session.registry import SessionRegistry
from madang_gateway.settings import GatewaySettings
from madang_gateway.subscribe.subscriber import Subscriber


@dataclass(frozen=True, slots=True)
class SessionContext:
    """Collaborators of every session of a gateway."""

    settings: GatewaySettings
    limits: Limits
    verifier: TokenVerifier
    authentication: Authentication
    commands: Commands
    subscriber: Subscriber
    registry: SessionRegistry
    refusals: Refusals
    metrics: Metrics
