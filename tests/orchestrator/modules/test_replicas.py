"""A name that several replicas stand behind, on real sockets: 127.0.0.1, 127.0.0.2 and 127.0.0.3, one port."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from socket import AddressFamily
from typing import Any, Final

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from ops_orchestrator.errors import NetworkError
from ops_orchestrator.modules.aiohttp_transport import AiohttpTransport

ADDRESSES: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
FOREVER_S: Final = 3600.0


class Names(AbstractResolver):
    """The system's names, of which there is one: it stands for `addresses`, and without any it is not known."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET) -> list[ResolveResult]:
        if not self.addresses:
            raise OSError(f"{host} is not known")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0) for address in self.addresses
        ]

    async def close(self) -> None: ...


@dataclass
class Replicas:
    """Three replicas of a module; each answers at once, or when its `gates` are opened."""

    url: str = ""
    asked: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    connections: Counter[str] = field(default_factory=Counter)
    gates: dict[str, asyncio.Event] = field(default_factory=lambda: {address: asyncio.Event() for address in ADDRESSES})

    async def serve(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to the replica at `address`."""
        self.connections[address] += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked.put_nowait(address)
                await self.gates[address].wait()
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer_at_once(self) -> None:
        """Let go of all requests, now and later."""
        for gate in self.gates.values():
            gate.set()

    def hold(self) -> None:
        """Answer no request any more."""
        for gate in self.gates.values():
            gate.clear()

    async def next(self, count: int) -> Counter[str]:
        """How many of the next `count` requests came to which replica."""
        return Counter([await self.asked.get() for _ in range(count)])


@asynccontextmanager
async def replicas() -> AsyncIterator[Replicas]:
    behind, port = Replicas(), 0
    async with AsyncExitStack() as listening:
        for address in ADDRESSES:

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str = address) -> None:
                await behind.serve(address, reader, writer)

            listener = await listening.enter_async_context(await asyncio.start_server(serve, address, port))
            port = listener.sockets[0].getsockname()[1]
        behind.url = f"http://module.test:{port}/"
        yield behind


async def send(transport: AiohttpTransport, url: str, **headers: str) -> None:
    async with aclosing(await transport.send("GET", url, headers, b"", limit=10)) as response:
        assert [chunk async for chunk in response.chunks] == [b"{}"]


async def test_new_replicas_have_their_share_of_load_that_never_pauses() -> None:
    names = Names(ADDRESSES[:1])

    async def ask(transport: AiohttpTransport, url: str) -> None:
        while True:
            await send(transport, url)

    async with replicas() as behind, aclosing(AiohttpTransport(names, longest_used_s=0.3)) as transport:
        behind.answer_at_once()
        callers = [asyncio.create_task(ask(transport, behind.url)) for _ in range(6)]
        assert await behind.next(300) == {ADDRESSES[0]: 300}
        names.addresses = ADDRESSES
        last = deque[str](maxlen=300)
        while min(Counter(last)[address] for address in ADDRESSES) < 75:
            last.append(await behind.asked.get())
        # And when they are taken away again, the one that is left has all.
        names.addresses = ADDRESSES[:1]
        while set(last) != {ADDRESSES[0]}:
            last.append(await behind.asked.get())
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


async def test_each_of_many_connections_that_are_opened_at_once_leads_to_the_replica_with_the_least_in_flight() -> None:
    names = Names(ADDRESSES[:1])
    async with replicas() as behind:
        transport = AiohttpTransport(names, longest_used_s=0.0)
        async with aclosing(transport), asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(send(transport, behind.url))
            assert await behind.next(4) == {ADDRESSES[0]: 4}
            names.addresses = ADDRESSES
            for _ in range(8):
                group.create_task(send(transport, behind.url))
            assert await behind.next(8) == {ADDRESSES[1]: 4, ADDRESSES[2]: 4}
            behind.answer_at_once()


async def test_request_takes_the_idle_connection_to_the_replica_with_the_least_in_flight() -> None:
    async with replicas() as behind:
        transport = AiohttpTransport(Names(ADDRESSES), longest_used_s=FOREVER_S)
        async with aclosing(transport), asyncio.TaskGroup() as group:
            first = [group.create_task(send(transport, behind.url)) for _ in range(9)]
            assert await behind.next(9) == dict.fromkeys(ADDRESSES, 3)
            for address in ADDRESSES[1:]:
                behind.gates[address].set()
            for answered in islice(asyncio.as_completed(first), 6):
                await answered
            behind.hold()
            for _ in range(4):
                group.create_task(send(transport, behind.url))
            assert await behind.next(4) == {ADDRESSES[1]: 2, ADDRESSES[2]: 2}
            behind.answer_at_once()
        assert behind.connections == dict.fromkeys(ADDRESSES, 3)


async def test_request_that_is_over_is_not_in_flight() -> None:
    names = Names(ADDRESSES[:2])
    async with replicas() as behind:
        transport = AiohttpTransport(names, longest_used_s=0.0)
        async with aclosing(transport), asyncio.TaskGroup() as group:
            behind.answer_at_once()
            for _ in range(4):
                await group.create_task(send(transport, behind.url))
            await behind.next(4)
            behind.hold()
            names.addresses = ADDRESSES[1:]
            for _ in range(2):
                group.create_task(send(transport, behind.url))
            assert await behind.next(2) == dict.fromkeys(ADDRESSES[1:], 1)
            behind.answer_at_once()


@pytest.mark.parametrize(("longest_used_s", "at_first"), [(0.0, ADDRESSES[:1]), (FOREVER_S, ADDRESSES)])
async def test_requests_of_a_run_go_to_the_replica_of_its_first_one(longest_used_s: float, at_first: Sequence[str]) -> None:
    names, of_run = Names(at_first), {"ops-run-id": "run"}
    async with replicas() as behind:
        transport = AiohttpTransport(names, longest_used_s)
        async with aclosing(transport), asyncio.TaskGroup() as group:
            group.create_task(send(transport, behind.url, **of_run))
            (home,) = await behind.next(1)
            names.addresses = ADDRESSES
            # Others leave idle connections elsewhere, and the replica of the run is the one with the most to do.
            for address in set(ADDRESSES) - {home}:
                behind.gates[address].set()
            await asyncio.gather(*(send(transport, behind.url) for _ in range(2)))
            await behind.next(2)
            for _ in range(3):
                group.create_task(send(transport, behind.url, **of_run))
                assert await behind.next(1) == {home: 1}
            behind.answer_at_once()


async def test_run_whose_replica_is_gone_goes_to_another_and_stays_there() -> None:
    names = Names(ADDRESSES[:1])
    async with replicas() as behind, aclosing(AiohttpTransport(names, longest_used_s=0.0)) as transport:
        behind.answer_at_once()
        await send(transport, behind.url, **{"ops-run-id": "run"})
        names.addresses = ADDRESSES[1:]
        for _ in range(6):
            await send(transport, behind.url, **{"ops-run-id": "run"})
        assert sorted((await behind.next(7)).values()) == [1, 6]


async def test_run_whose_replica_cannot_be_reached_is_not_sent_elsewhere_until_its_next_attempt() -> None:
    names, of_run = Names(("127.0.0.4",)), {"ops-run-id": "run"}
    async with replicas() as behind, aclosing(AiohttpTransport(names, longest_used_s=0.0)) as transport:
        port = int(behind.url.rpartition(":")[2].strip("/"))
        behind.gates["127.0.0.4"] = asyncio.Event()
        behind.answer_at_once()
        async with await asyncio.start_server(partial(behind.serve, "127.0.0.4"), "127.0.0.4", port):
            await send(transport, behind.url, **of_run)
        names.addresses = ("127.0.0.4", *ADDRESSES)
        with pytest.raises(NetworkError) as caught:
            await send(transport, behind.url, **of_run)
        assert caught.value.unsent
        await send(transport, behind.url, **of_run)


async def test_connection_that_was_used_for_long_enough_is_used_no_more() -> None:
    async with replicas() as behind, aclosing(AiohttpTransport(Names(ADDRESSES[:1]), longest_used_s=0.0)) as transport:
        behind.answer_at_once()
        for _ in range(3):
            await send(transport, behind.url)
    assert behind.connections == {ADDRESSES[0]: 3}


async def test_name_that_cannot_be_looked_up_for_a_moment_stands_for_what_it_stood_for() -> None:
    names = Names(ADDRESSES[:1])
    async with replicas() as behind, aclosing(AiohttpTransport(names, longest_used_s=0.0)) as transport:
        behind.answer_at_once()
        await send(transport, behind.url)
        names.addresses = ()
        await send(transport, behind.url)
        with pytest.raises(NetworkError, match=r"'another\.test' is not known"):
            await send(transport, behind.url.replace("module.test", "another.test"))
    assert behind.connections == {ADDRESSES[0]: 2}


async def test_address_of_the_other_family_is_no_other_replica() -> None:
    async with replicas() as behind:
        port = int(behind.url.rpartition(":")[2].strip("/"))
        behind.gates["::1"] = asyncio.Event()
        behind.answer_at_once()
        async with (
            await asyncio.start_server(partial(behind.serve, "::1"), "::1", port),
            aclosing(AiohttpTransport(Names((ADDRESSES[0], "::1")), longest_used_s=0.0)) as transport,
        ):
            for _ in range(10):
                await send(transport, behind.url)
    assert behind.connections == {ADDRESSES[0]: 10}


async def test_replica_that_accepts_no_connection_costs_no_request() -> None:
    async with replicas() as behind, aclosing(AiohttpTransport(Names(("127.0.0.4", *ADDRESSES)))) as transport:
        behind.answer_at_once()
        await asyncio.gather(*(send(transport, behind.url) for _ in range(20)))
    assert sum((await behind.next(20)).values()) == 20


async def test_other_end_of_a_connection_is_asked_whether_it_is_still_there() -> None:
    async with replicas() as behind, aclosing(AiohttpTransport(Names(ADDRESSES[:1]))) as transport:
        asking = asyncio.create_task(send(transport, behind.url))
        await behind.next(1)
        while (timers := timers_of(behind.url)) == [_RETRANSMISSION]:
            pass
        assert timers == [_KEEP_ALIVE]
        behind.answer_at_once()
        await asking


# The timer of a connection, 00 when it has none: see proc_net_tcp.txt of the kernel.
_RETRANSMISSION: Final = "01"
_KEEP_ALIVE: Final = "02"


def timers_of(url: str) -> list[Any]:
    """The timers of the connections to the port of `url`, on the side of the client."""
    port = int(url.rpartition(":")[2].strip("/"))
    connections = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [fields[5].partition(":")[0] for fields in connections if fields[2].endswith(f":{port:04X}") and fields[3] == "01"]
