from collections.abc import Sequence

import pytest

from madang_common.http.forwarded import Proxies


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded_for", "client"),
    [
        ([], "9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
        (["10.0.0.1"], "9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
        (["10.0.0.1"], "10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        (["10.0.0.0/8"], "10.1.2.3", ["1.1.1.1"], "1.1.1.1"),
        (["10.0.0.7/8"], "10.1.2.3", ["1.1.1.1"], "1.1.1.1"),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", ["1.1.1.1"], "1.1.1.1"),
        (["fd00::/8"], "fd00::1", ["2001:db8::1"], "2001:db8::1"),
        (["*"], "9.9.9.9", ["1.1.1.1, 2.2.2.2"], "1.1.1.1"),
    ],
)
def test_only_trusted_proxies_are_used(
    proxies: Sequence[str], peer: str, forwarded_for: Sequence[str], client: str
) -> None:
    assert Proxies(proxies).client(peer, forwarded_for) == client


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
        ([" , "], "10.0.0.1"),
        (["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        (["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        (["6.6.6.6", "1.1.1.1", "10.0.0.2"], "1.1.1.1"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["1.1.1.1:4711"], "1.1.1.1"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["6.6.6.6, unknown"], "unknown"),
    ],
)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxy(
    forwarded_for: Sequence[str], client: str
) -> None:
    assert Proxies(["10.0.0.0/8"]).client("10.0.0.1", forwarded_for) == client


def test_a_malformed_proxy_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"proxy\.example"):
        Proxies(["proxy.example"])
