"""Settings that are refused, and a password that is hard to quote."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from madang_common.settings_errors import describe

PASSWORD = "p@s:s/w?o#r%d 41%2F'\"\\ 비밀"
"""Characters that URLs, SQL and quoting treat specially."""
SECRET = "s3cret"
"""Part of every secret in settings that are refused."""


def check_refused(read: Callable[..., object], given: Mapping[str, Any], expected: str) -> None:
    """Check that `read` refuses the settings `given` with the line `expected`, without secrets."""
    with pytest.raises(ValidationError) as refused:
        read(**given)

    assert describe(refused.value) == expected
    assert SECRET not in str(refused.value)
