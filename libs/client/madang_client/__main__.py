"""The `madang` command, as `python -m madang_client`."""

from madang_client.cli import app

if __name__ == "__main__":
    app(prog_name="madang")
