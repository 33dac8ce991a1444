import pytest

from madang_common.amqp.endpoint import AmqpEndpoint


@pytest.mark.parametrize(
    ("url", "nodes"),
    [
        ("amqp://u:p@one:1/v", ["amqp://u:p@one:1/v"]),
        ("amqp://u:p@one:1,two:2/v", ["amqp://u:p@one:1/v", "amqp://u:p@two:2/v"]),
        ("amqp://u:p@one:1/v,amqps://x:y@two/w", ["amqp://u:p@one:1/v", "amqps://x:y@two/w"]),
        (
            "amqp://u:p%40%2C@[::1]:1,two/%2F",
            ["amqp://u:p%40,@[::1]:1/%2F", "amqp://u:p%40,@two/%2F"],
        ),
    ],
)
def test_a_url_names_one_node_or_several(url: str, nodes: list[str]) -> None:
    assert [str(node) for node in AmqpEndpoint.at(url).nodes] == nodes


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:5672",
        "http://one/",
        "amqp:///v",
        "amqp://u:secret@/v",
        "amqp://u:secret/@one/",
    ],
)
def test_an_invalid_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="MADANG_AMQP_URL is invalid") as refusal:
        AmqpEndpoint.at(url)
    assert "secret" not in str(refusal.value)
