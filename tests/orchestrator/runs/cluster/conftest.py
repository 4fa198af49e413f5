from collections.abc import AsyncIterator

import pytest

from ops_orchestrator.runs.cluster.news import News
from ops_orchestrator.runs.cluster.procrastinate_queue import ProcrastinateQueue


@pytest.fixture
async def queue(database: str) -> AsyncIterator[ProcrastinateQueue]:
    queue = ProcrastinateQueue(database)
    await queue.open()
    yield queue
    await queue.close()


@pytest.fixture
async def news(database: str) -> AsyncIterator[News]:
    news = News(database, cancelled=lambda _: None)
    await news.start()
    yield news
    await news.stop()
