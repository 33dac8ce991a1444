"""The `madang` command."""

app = None
