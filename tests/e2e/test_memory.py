"""The gateway daemon stays small: a Raspberry Pi Zero 2 W has 512 MB for everything."""

import os
import re
import tty
from pathlib import Path

import pytest

from gateway.outbox import Outbox
from gateway.simulator.chain import Chain
from gateway.simulator.devices.oximeter import packet
from gateway.simulator.process import wait_until

pytestmark = [pytest.mark.chain, pytest.mark.timeout(600)]
READINGS = 10_000
LIMIT_MB = 48
UNIT = Path(__file__).parents[2] / "gateway" / "meethub-gateway.service"


def test_the_gateway_needs_at_most_48_mb_after_10_000_readings(tmp_path, monkeypatch):
    """The real daemon (bleak and all loaded), outbox and TLS uplink; no page, no virtual radio."""
    without_rich(tmp_path, monkeypatch)
    for name, value in unit_environment():
        monkeypatch.setenv(name, value)
    chain = Chain(tmp_path, devices=("oximeter",), interval_s=0)
    chain.start()
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        config = chain.gateway_config.read_text().replace(
            str(chain.street_data / "nonin-serial" / "port"), os.ttyname(slave)
        )
        chain.gateway_config.write_text(config)
        gateway = chain.programs["gateway"]
        gateway.stop()
        gateway.start()
        assert wait_until(
            lambda: b"uplink-connected" in gateway.log.read_bytes().split(b"uplink-lost")[-1], 30
        )
        chain.programs["bridge"].stop()  # connected, but nobody answers: the outbox fills
        write_readings(master, READINGS)
        assert wait_until(lambda: sealed(chain) >= READINGS, 300, gateway.alive), sealed(chain)
        resident = resident_mb(gateway.process.pid)
    finally:
        os.close(master)
        os.close(slave)
        chain.stop()
    print(f"gateway after {READINGS} readings: {resident:.1f} MB")
    assert resident <= LIMIT_MB


def unit_environment() -> list[list[str]]:
    """What the daemon's systemd unit puts into its environment."""
    lines = UNIT.read_text().splitlines()
    return [line.split("=", 2)[1:] for line in lines if line.startswith("Environment=")]


def without_rich(folder: Path, monkeypatch) -> None:
    """As on a hub: rich is the demo's, and structlog would load it, 3 MB, only because it is there."""
    hidden = folder / "as-on-a-hub"
    hidden.mkdir()
    (hidden / "rich.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(hidden))


def write_readings(master: int, number: int) -> None:
    """Finger in for one packet, finger out for one: a reading each time."""
    out = packet(None, None)
    for index in range(number):
        data = packet(94 + index % 5, 50 + index % 40) + out
        while data:
            data = data[os.write(master, data) :]


def sealed(chain: Chain) -> int:
    """Readings in envelopes; status items of the hub count too, but they are few."""
    look = Outbox.look(chain.gateway_data / "outbox.sqlite")
    try:
        if look.counts()["captured"]:
            return 0
        return sum(int(str(row["items"])) for row in look.rows(2 * READINGS))
    finally:
        look.close()


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024
