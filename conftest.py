"""For the tests of every distribution: the private servers, and a word on each failure."""

pytest_plugins = ["stack.fixtures", "stack.stack_fixtures", "tests.support.failures"]
