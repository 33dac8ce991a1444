"""Every number in every settings class has bounds, so that a wrong one is refused at the start."""

from collections.abc import Iterator
from typing import get_args

import pytest

from madang_auth.settings import AuthSettings
from madang_common.settings import CommonSettings
from madang_common.settings_errors import bounds
from madang_gateway.settings import GatewaySettings
from madang_history.settings import HistorySettings
from madang_rooms.settings import RoomsSettings
from madang_standalone.settings import StandaloneSettings


def unbounded(settings: type[CommonSettings]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        kinds = {field.annotation, *get_args(field.annotation)}
        if kinds & {int, float} and not list(bounds(field)):
            yield name


@pytest.mark.parametrize(
    "settings",
    [
        CommonSettings,
        AuthSettings,
        RoomsSettings,
        HistorySettings,
        GatewaySettings,
        StandaloneSettings,
    ],
)
def test_every_number_has_bounds(settings: type[CommonSettings]) -> None:
    assert list(unbounded(settings)) == []
