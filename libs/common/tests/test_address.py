import pytest

from madang_common.address import Address, check_addresses, check_host


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("rabbit", Address("rabbit", 7), "rabbit:7"),
        ("rabbit-0.rabbit.chat.svc:1", Address("rabbit-0.rabbit.chat.svc", 1), None),
        ("10.0.0.1:65535", Address("10.0.0.1", 65_535), None),
        ("[fd00::1]:1", Address("fd00::1", 1), None),
        ("[fd00::1]", Address("fd00::1", 7), "[fd00::1]:7"),
    ],
)
def test_an_address_has_a_port_or_the_default(
    text: str, address: Address, shown: str | None
) -> None:
    assert Address.parse(text, default_port=7) == address
    assert str(address) == (shown or text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "h:",
        "h:x",
        "h:65536",
        "u@h",
        "h/x",
        "h?x",
        "h#x",
        "h 1",
        "amqp://h",
        "fd00::1",
        "h\n",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address; give a host or host:port"):
        check_addresses(("good", text))


@pytest.mark.parametrize("host", [None, "db", "db.chat.svc", "10.0.0.1", "fd00::1"])
def test_a_host_has_no_port(host: str | None) -> None:
    assert check_host(host) == host
