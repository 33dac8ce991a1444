"""Version and heart-beat agreement."""

import pytest

from madang_gateway.protocol.stomp.errors import Malformed, UnsupportedVersion
from madang_gateway.protocol.stomp.negotiation import (
    VERSIONS,
    agree_on_heartbeats,
    agree_on_version,
    offered_versions,
)


@pytest.mark.parametrize(
    ("accepted", "agreed"),
    [
        (None, "1.0"),
        ("1.0", "1.0"),
        ("1.1", "1.1"),
        ("1.2", "1.2"),
        ("1.0,1.1,2.0", "1.1"),
        ("1.2,1.1,1.0", "1.2"),
        ("1.0, 1.1 ,1.2", "1.2"),
        ("1.1,,nonsense", "1.1"),
    ],
)
def test_the_highest_common_version_is_agreed(accepted: str | None, agreed: str) -> None:
    assert agree_on_version(accepted, VERSIONS) == agreed


@pytest.mark.parametrize("accepted", ["", "2.0", "1.3,2", "1,2", "01.2", "1.20"])
def test_without_a_common_version_the_error_lists_the_supported_ones(accepted: str) -> None:
    with pytest.raises(UnsupportedVersion) as caught:
        agree_on_version(accepted, VERSIONS)

    assert caught.value.headers == {"version": "1.0,1.1,1.2"}
    assert caught.value.detail == "Supported protocol versions are 1.0 1.1 1.2"


@pytest.mark.parametrize(
    ("subprotocols", "offered"),
    [
        (["v12.stomp"], ("1.2",)),
        (["v10.stomp", "v11.stomp"], ("1.1", "1.0")),
        (["v10.stomp", "v11.stomp", "v12.stomp"], VERSIONS),
        (["mqtt", "v11.stomp"], ("1.1",)),
        (["mqtt"], VERSIONS),
        ([], VERSIONS),
    ],
)
def test_subprotocols_offer_their_versions(
    subprotocols: list[str], offered: tuple[str, ...]
) -> None:
    assert offered_versions(subprotocols) == offered


@pytest.mark.parametrize(
    ("offered", "accepted", "agreed"),
    [
        (("1.2", "1.1", "1.0"), "1.1,1.0", "1.1"),
        (("1.2", "1.1", "1.0"), None, "1.0"),
        (("1.1", "1.0"), "1.0,1.1,1.2", "1.1"),
        (("1.2", "1.0"), "1.1,1.0", "1.0"),
        (("1.1",), "1.0,1.1,1.2", "1.1"),
    ],
)
def test_any_version_that_was_offered_may_be_agreed_on(
    offered: tuple[str, ...], accepted: str | None, agreed: str
) -> None:
    assert agree_on_version(accepted, offered) == agreed


@pytest.mark.parametrize("accepted", [None, "1.0,1.1"])
def test_a_version_that_was_not_offered_is_refused(accepted: str | None) -> None:
    with pytest.raises(UnsupportedVersion) as caught:
        agree_on_version(accepted, ("1.2",))

    assert caught.value.headers == {"version": "1.2"}


@pytest.mark.parametrize(
    ("offer", "header", "agreed"),
    [
        ((10, 20), None, (0, 0)),
        ((10, 20), "0,0", (0, 0)),
        ((10, 20), "30,5", (10, 30)),
        ((10, 20), "5,30", (30, 20)),
        ((10, 20), "5,0", (0, 20)),
        ((10, 20), "0,5", (10, 0)),
        ((0, 20), "5,5", (0, 20)),
        ((10, 0), "5,5", (10, 0)),
        ((0, 0), "5,5", (0, 0)),
        ((10, 20), "00030 , 5", (10, 30)),
    ],
)
def test_heartbeats_flow_where_both_want_them_at_the_slower_pace(
    offer: tuple[int, int], header: str | None, agreed: tuple[int, int]
) -> None:
    assert agree_on_heartbeats(offer, header) == agreed


@pytest.mark.parametrize(
    "header",
    ["", ",", "1", "1,", ",1", "1,2,3", "-1,0", "+1,0", "1.5,0", "a,b", "1_0,0", "٣,٣", "9" * 5000],
)
def test_a_malformed_heartbeat_is_fatal(header: str) -> None:
    with pytest.raises(Malformed, match="heart-beat"):
        agree_on_heartbeats((10, 20), header)
