"""Why a figure could not be measured."""


class BenchError(Exception):
    """A figure cannot be given: what was measured was not what it says."""
