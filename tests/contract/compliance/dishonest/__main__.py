"""Serve every twin, and the honest module under no name: prints a JSON object of addresses by name."""

import json
from http.server import HTTPServer, ThreadingHTTPServer
from threading import Thread

from contract.compliance.dishonest import answers, requests, results, served  # noqa: F401  # they fill TWINS
from contract.compliance.dishonest.twin import TWINS, Twin, twin


class AtOnce(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def server(twin: Twin) -> HTTPServer:
    return (AtOnce if twin.module.at_once else HTTPServer)(("127.0.0.1", 0), twin.module)


twin("")
servers = {name: server(one) for name, one in TWINS.items()}
threads = [Thread(target=one.serve_forever, args=(3600,)) for one in servers.values()]
for thread in threads:
    thread.start()
print(json.dumps({name: f"http://127.0.0.1:{one.server_address[1]}" for name, one in servers.items()}), flush=True)
