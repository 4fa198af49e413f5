"""What small module servers of the tests have in common: answers in JSON, and no log."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any


class JsonHandler(BaseHTTPRequestHandler):
    """Answers requests of modules that are told apart by the first part of their paths."""

    @property
    def name(self) -> str:
        """The module that is asked."""
        return self.path.split("/")[1]

    def do_GET(self) -> None:  # the library's name
        self.get()

    def do_POST(self) -> None:  # as above
        self.post()

    def get(self) -> None:
        """Answer a GET."""
        raise NotImplementedError

    def post(self) -> None:
        """Answer a POST."""
        raise NotImplementedError

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def body(self) -> bytes:
        """The body of the request."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, body: Any, code: int = 200) -> None:
        """Answer with `body` as JSON."""
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
