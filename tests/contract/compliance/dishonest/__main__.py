"""Serve a twin, or the honest module when no twin is named: python -m contract.compliance.dishonest [NAME]."""

import sys
from http.server import ThreadingHTTPServer

from contract.compliance.dishonest import answers, requests  # noqa: F401  # they fill TWINS
from contract.compliance.dishonest.module import Module
from contract.compliance.dishonest.twin import TWINS


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


with Server(("127.0.0.1", 0), TWINS[sys.argv[1]].module if sys.argv[1:] else Module) as server:
    print(f"listening at http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
