"""A stand-in for Grafana: it only answers its health check."""

from http.server import BaseHTTPRequestHandler, HTTPServer


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()


HTTPServer(("", 3000), _Health).serve_forever()
