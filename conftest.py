"""For the tests of every distribution: the private servers, and a word on each failure."""

pytest_plugins = ["tests.stack.fixtures", "tests.stack.stack_fixtures", "tests.support.failures"]
