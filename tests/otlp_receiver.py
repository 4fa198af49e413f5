"""A receiver of OpenTelemetry's spans on a real socket: OTLP over HTTP, as a collector takes them."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


@dataclass(frozen=True)
class ReceivedSpan:
    """A span, its ids in hexadecimal digits, and the resource that it is of. `raw` is the message."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    raw: Any

    @property
    def links(self) -> list[tuple[str, str]]:
        """Trace and span of each link."""
        return [(link.trace_id.hex(), link.span_id.hex()) for link in self.raw.links]

    @property
    def events(self) -> list[str]:
        """The names of the events in it."""
        return [event.name for event in self.raw.events]

    @property
    def lasted_s(self) -> float:
        """How long it was."""
        return float(self.raw.end_time_unix_nano - self.raw.start_time_unix_nano) / 1e9


class OtlpReceiver:
    """Takes spans at `url`."""

    def __init__(self, url: str, bodies: "SimpleQueue[bytes]") -> None:
        self.url = url
        self._bodies = bodies

    def spans(self, until: str, times: int = 1) -> dict[str, list[ReceivedSpan]]:
        """All spans by name, which are waited for until there are so many called `until`."""
        found: dict[str, list[ReceivedSpan]] = {}
        while len(found.get(until, [])) < times:
            for span in _read(self._bodies.get()):
                found.setdefault(span.name, []).append(span)
        return found

    @property
    def is_empty(self) -> bool:
        """Whether nothing came that was not taken."""
        return self._bodies.empty()


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """A receiver under way."""
    bodies: SimpleQueue[bytes] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # as the library calls it
            assert self.path == "/v1/traces"
            assert self.headers["content-type"] == "application/x-protobuf"
            body = self.rfile.read(int(self.headers["content-length"]))
            bodies.put(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Tests read what is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield OtlpReceiver(f"http://127.0.0.1:{server.server_port}", bodies)
        finally:
            server.shutdown()


def _read(body: bytes) -> Iterator[ReceivedSpan]:
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _values(of_resource.resource.attributes)
        for span in (span for scope in of_resource.scope_spans for span in scope.spans):
            ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
            yield ReceivedSpan(span.name, *ids, _values(span.attributes), resource, span)


def _values(attributes: Any) -> dict[str, Any]:
    def value(each: KeyValue) -> Any:
        return getattr(each.value, each.value.WhichOneof("value") or "string_value")

    return {each.key: value(each) for each in attributes}
