from collections.abc import Iterator

import pytest
from local_service import service


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of all stubs, and of the legacy service, in a process of their own."""
    with service(tmp_path_factory.mktemp("stubs"), "ops-stubs", "serve", "--port", "0") as (_, url):
        yield url


@pytest.fixture(scope="session")
def data_layer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one stub, which starts in a third of the time of all of them."""
    with service(tmp_path_factory.mktemp("data-layer"), "ops-stubs", "serve", "data-layer", "--port", "0") as (_, url):
        yield url
