"""For the tests of every distribution: the private servers, and settings of their libraries."""

import structlog
from hypothesis import settings

pytest_plugins = [
    "stack.fixtures",
    "stack.stack_fixtures",
    "tests.support.certificates",
    "tests.support.failures",
]

# A deadline per example fails on a busy machine; pytest's own timeout bounds each test.
settings.register_profile("madang", deadline=None)
settings.load_profile("madang")

# By default structlog prints the local variables of a traceback, which takes seconds.
structlog.get_config()["processors"][-1].exception_formatter = structlog.dev.plain_traceback
