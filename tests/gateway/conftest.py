"""Fixtures of the gateway's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.bluez_fixtures import private_bus
from tests.gateway.outbox_fixtures import Bench, build_library


@pytest.fixture(autouse=True)
def _benches_end_with_their_test() -> Iterator[None]:
    """A test may leave an outbox open, as a cut does; the process lets go of it all the same."""
    yield
    Bench.close_all()


@pytest.fixture
def bench(tmp_path) -> Bench:
    """A hub's outbox and key in a folder of their own."""
    return Bench(tmp_path / "hub")


@pytest.fixture(scope="session")
def sync_library(tmp_path_factory) -> Path:
    """countsync.c as a library to preload."""
    library = build_library(tmp_path_factory.mktemp("countsync"))
    if library is None:
        pytest.skip("no C compiler here: syncs cannot be counted or made to fail")
    return library


@pytest.fixture
async def bus_address(tmp_path):
    """A D-Bus of our own."""
    async with private_bus(tmp_path) as address:
        yield address
