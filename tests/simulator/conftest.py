"""What tests of virtual devices share."""

import pytest

from tests.simulator.bench import Bench


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    await made.close()
