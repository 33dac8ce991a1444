"""The `madang` command."""

from madang_client.cli import account_commands, message_commands, room_commands
from madang_client.cli.app import app

__all__ = ["app"]

for module in (account_commands, room_commands, message_commands):
    app.add_typer(module.commands)
