"""Why a figure could not be measured."""


class BenchError(Exception):
    """A figure cannot be reported: the measurement was not valid."""
