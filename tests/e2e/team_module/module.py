"""The least that speaks the contract."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Module(BaseHTTPRequestHandler):
    """Answers every execute with one figure."""

    def do_GET(self) -> None:
        """`GET /health`."""
        self.answer({"status": "ok", "module": "policy-simulator", "version": "9.9.9-team"})

    def do_POST(self) -> None:
        """`POST /execute`."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"status": "success", "module": "policy-simulator", "outputs": {"kpis": {"gdp_growth": 0.99}}})

    def answer(self, body: dict[str, object]) -> None:
        """Send `body` as JSON."""
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


ThreadingHTTPServer(("", 8080), Module).serve_forever()
