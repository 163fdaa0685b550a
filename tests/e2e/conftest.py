"""One FHIR server for all stories of a run, and a fresh village for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.simulator.fhir_server import FhirServer
from tests.e2e.gateways import RealTime
from tests.e2e.village import Village


@pytest.fixture(scope="session")
def pgo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    """A person's PGO; every story has Patients of its own in it."""
    server = FhirServer(tmp_path_factory.mktemp("pgo"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    """Time passes only when the test lets it."""
    made = Village(tmp_path / "village")
    yield made
    made.close()


@pytest.fixture
def live_village(tmp_path: Path) -> Iterator[Village]:
    """The same in the machine's own time, for stories with a radio."""
    made = Village(tmp_path / "village", RealTime())
    yield made
    made.close()
