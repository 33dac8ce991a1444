"""The limits that the bench lifts, by the names that they have."""

from bench.targets.madang_placement import LIFTED_LIMITS
from madang_auth.settings import AuthSettings
from madang_gateway.settings import GatewaySettings
from madang_rooms.settings import RoomsSettings


def test_every_lifted_limit_is_a_setting_of_some_service() -> None:
    known = {
        f"MADANG_{name.upper()}"
        for settings in (AuthSettings, GatewaySettings, RoomsSettings)
        for name in settings.model_fields
    }

    assert LIFTED_LIMITS.keys() <= known
