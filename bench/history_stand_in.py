"""Stands in for history, which the bench leaves out: confirms the log, so that gateways append."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

from madang_common.settings import CommonSettings


class _Handler(BaseHTTPRequestHandler):
    """Answers every GET as history answers `/internal/log`."""

    def do_GET(self) -> None:
        fields = CommonSettings.model_fields
        log = {"epoch": fields["log_epoch"].default, "shards": fields["log_shards"].default}
        body = json.dumps(log).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def history_stand_in() -> Iterator[str]:
    """Serve on any free port of loopback; yield the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="history", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
