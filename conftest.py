"""The private servers are there for the tests of every distribution."""

pytest_plugins = ["tests.stack.fixtures", "tests.stack.stack_fixtures"]
