"""Asks a service for `/health` 40 times a second until its standard input ends, and prints the ms that each answer took.

A process of its own, so that nothing else of the benchmark is counted. A request that waits for the one before it counts from
when it should have been sent: or else a pause of the service would count once, however long it is. So few are sent that those
which wait do not hold up those after the pause as well.
"""

import json
import select
import socket
import sys
import time
from contextlib import closing
from typing import Final

from http_messages import Messages

EVERY_S: Final = 0.025
_REQUEST: Final = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"


def asked(connection: socket.socket, messages: Messages) -> None:
    """Ask once. The service must say that it is well."""
    connection.sendall(_REQUEST)
    while True:
        if not (received := connection.recv(65536)):
            sys.exit("the service closed the connection")
        for message in messages.feed(received):
            if not message.head.startswith(b"HTTP/1.1 200"):
                sys.exit(f"the service answered {message.head.decode()}")
            return


def main(port: int) -> None:
    """Ask until standard input ends."""
    took_ms, messages, due = [], Messages(), time.perf_counter()
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        while not select.select([sys.stdin], [], [], max(due - time.perf_counter(), 0))[0]:
            asked(connection, messages)
            took_ms.append(1000 * (time.perf_counter() - due))
            due += EVERY_S
    print(json.dumps(took_ms))


if __name__ == "__main__":
    main(int(sys.argv[1]))
