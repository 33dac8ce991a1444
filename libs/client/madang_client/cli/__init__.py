"""The `madang` command."""

from madang_client.cli.commands import app

__all__ = ["app"]
