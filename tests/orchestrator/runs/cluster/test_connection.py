"""Connections whose other end vanishes."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
from silent_proxy import SilentProxy, silent_proxy

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.cluster.connection import PREPARED, bounded, cancelled
from ops_orchestrator.runs.cluster.procrastinate_queue import ProcrastinateQueue

pytestmark = [pytest.mark.slow, pytest.mark.anyio]


@pytest.fixture
def proxy(database: str) -> Iterator[SilentProxy]:
    with silent_proxy(database) as proxy:
        yield proxy


def test_connection_is_given_up_when_nothing_is_acknowledged_for_seconds(proxy: SilentProxy) -> None:
    with psycopg.connect(bounded(proxy.url)) as connection, socket.socket(fileno=os.dup(connection.fileno())) as its_socket:
        found = [its_socket.getsockopt(socket.IPPROTO_TCP, option) for option in (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE)]
    assert found == [10_000, 5]


def test_bound_in_the_address_is_kept() -> None:
    assert "tcp_user_timeout=7" in bounded("postgresql://ops@db/ops?tcp_user_timeout=7")


def test_server_ends_what_a_client_left_in_the_middle(database: str) -> None:
    with psycopg.connect(bounded(database), autocommit=True) as connection:
        connection.execute(PREPARED)
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchall() == [("20s",)]


async def test_worker_gives_signs_of_life_again_though_its_connections_stay_silent_for_ever(proxy: SilentProxy) -> None:
    queue = ProcrastinateQueue(proxy.url, answer_s=0.5)
    await queue.open()
    try:
        worker = await queue.register()
        proxy.fall_silent()
        with pytest.raises(StoreError, match="it does not answer"):
            await queue.beat(worker)
        proxy.speak()
        is_alive = False
        while not is_alive:
            with suppress(StoreError):
                await queue.beat(worker)
                is_alive = True
    finally:
        await queue.close()


async def test_task_that_loses_its_first_orders_to_cancel_is_over_all_the_same() -> None:
    orders: list[asyncio.CancelledError] = []

    async def hard_of_hearing() -> None:
        while len(orders) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as order:
                orders.append(order)
        raise orders[-1]

    task = asyncio.create_task(hard_of_hearing())
    await asyncio.sleep(0)  # it has begun
    await cancelled([task])
    assert (task.cancelled(), len(orders)) == (True, 3)
