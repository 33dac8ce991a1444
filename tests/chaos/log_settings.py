"""The log of a stack: its epoch and its number of shards."""

from madang_common.settings import CommonSettings
from stack.stack import Stack


def log_epoch(stack: Stack) -> int:
    """Return the epoch in which the services of `stack` are."""
    return _setting(stack, "log_epoch")


def log_shards(stack: Stack) -> int:
    """Return the number of shards of that epoch."""
    return _setting(stack, "log_shards")


def _setting(stack: Stack, name: str) -> int:
    default = CommonSettings.model_fields[name].default
    return int(stack.settings.get(f"MADANG_{name.upper()}", default))
