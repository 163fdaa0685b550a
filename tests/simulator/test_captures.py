"""Every virtual device beside a hub that is recorded: the capture gives the readings that the hub sealed."""

from datetime import timedelta

import pytest

from gateway.capture.recorder import CaptureFile, Recorder
from gateway.capture.recording import play, tapes_in
from gateway.drivers import driver_named
from gateway.hub.bookkeeping import SECRET
from gateway.simulator.catalogue import CATALOGUE, SERIAL
from gateway.simulator.peripheral import Peripheral
from tests.simulator.bench import told


@pytest.fixture
def path(tmp_path):
    return tmp_path / "capture.jsonl"


@pytest.fixture
def file(path):
    made = CaptureFile(path, with_values=True)
    yield made
    made.close()


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.driver)
async def test_a_capture_gives_what_the_hub_sealed(file, bench, path, entry):
    bench.hub.visits = Recorder(bench.hub.visits, file.keep, bench.gateway.clock.mono_ms)
    kind, driver = entry.load(), driver_named(entry.driver)
    device = await (bench.on_cable(kind, driver) if entry.by == SERIAL else bench.on_air(kind, driver))
    if kind.stores:
        await device.use(timedelta(hours=2))
    await bench.listen()
    await device.use()
    await bench.until(lambda: len(bench.readings) >= len(device.truth.of("measured")), 60)

    def captured():
        return [
            reading for tape in tapes_in(path.read_text().splitlines()) for reading in play(tape)["readings"]
        ]

    def missing():
        return [reading for reading in bench.readings if reading not in [told(row) for row in captured()]]

    await device.stop()  # some never stop talking by themselves
    try:
        await bench.until(lambda: not missing(), 10)
    except TimeoutError:
        raise AssertionError(missing(), captured()) from None
    said = b"|".join(
        b"".join(row.data for row in tape.rows) for tape in tapes_in(path.read_text().splitlines())
    )
    place = device.address if isinstance(device, Peripheral) else "port-1"
    for secret in (getattr(device, "serial", "").encode(), bench.hub.outbox.setting(SECRET + place)):
        assert not secret or secret not in said
