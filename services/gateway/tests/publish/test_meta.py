"""The limits of `meta`."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_common.problems import InvalidBody
from madang_gateway.publish.meta import MAX_BYTES, MAX_LEVELS, check_meta, within_size

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20
)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_whatever_passes_is_the_same_after_another_round(meta: dict[str, Any]) -> None:
    body = orjson.dumps({"text": "hi", "meta": meta})
    parsed = orjson.loads(body)["meta"]
    try:
        within_size(parsed)
        check_meta(parsed, body)
    except (InvalidBody, ValueError):
        return
    assert orjson.loads(orjson.dumps(parsed)) == parsed


def test_meta_has_a_largest_size_and_depth() -> None:
    fits = {"a": "x" * (MAX_BYTES - len('{"a":""}'))}
    assert within_size(fits) is fits
    with pytest.raises(ValueError, match="at most 8192 bytes"):
        within_size({"a": fits["a"] + "x"})

    check_meta(nested(MAX_LEVELS), b"{}")
    with pytest.raises(InvalidBody, match="at most 16 levels"):
        check_meta(nested(MAX_LEVELS + 1), b"{}")
    with pytest.raises(InvalidBody):
        check_meta({"a": [[[]]] * 3 + [nested(MAX_LEVELS)]}, b"{}")


@pytest.mark.parametrize(
    "meta", [nested(1000), {"a": 2**64}, {"a": -(2**63) - 1}, {"a": "\ud800"}, {"\ud800": 1}]
)
def test_what_json_cannot_hold_is_refused_before_anything_else(meta: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="levels"):
        within_size(meta)


@pytest.mark.parametrize(
    "body",
    [
        b'{"meta":{"a":1,"a":1}}',
        b'{"meta":{"a":[{"b":{},"b":{}}]}}',
        b'{"meta":{},"meta":{}}',
        b'{"meta":{"a":18446744073709551616}}',
        b'{"meta":{"a":-9223372036854775809}}',
        b'{"meta":{"a":' + b"9" * 5000 + b"}}",
        b'{"meta":{"a":1e400}}',
        b'{"meta":{"a":NaN}}',
        b'{"meta":{"a":-Infinity}}',
        b'{"meta":{"a":"\\ud800"}}',
        b'{"meta":{"a":"\xff"}}',
        b'{"meta":' + b'{"a":' * 990 + b"1" + b"}" * 990 + b',"meta":{}}',
        '{"meta":{}}'.encode("utf-16"),
    ],
)
def test_a_body_that_a_store_could_not_return_as_it_is_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBody, match=r"^Meta: "):
        check_meta({}, body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"meta":{"a":18446744073709551615,"b":-9223372036854775808}}',
        b'{"meta":{"a":{"a":{"a":1}}}}',
        b'{"meta":{"\\u0000":"\\u0000"}}',
        b' { "meta" : { "a" : 1.5e300 } } ',
    ],
)
def test_a_body_that_can_be_kept_passes(body: bytes) -> None:
    check_meta(within_size(orjson.loads(body)["meta"]), body)
