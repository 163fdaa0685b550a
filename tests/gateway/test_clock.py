"""Time since boot always; wall time only when somebody trustworthy told it; device clocks that run back."""

import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import BOOT_ID, Clock
from gateway.hub.device_clock import ran_back, shown
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import Moment, moment_from_wire

BRIDGE_MS = 1_800_000_000_000


@pytest.fixture
def clock(tmp_path):
    """A clock on a machine whose system time is not synchronised."""
    return Clock(tmp_path / "synchronised")


def test_the_boot_is_the_machines_own(clock):
    assert clock.boot == hashlib.sha256(BOOT_ID.read_bytes()).digest()[:8]
    assert Clock().boot == clock.boot, "the same until the next boot"


def test_time_since_boot_is_the_systems_and_never_runs_back(clock):
    before = time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
    shown = [clock.mono_ms() for _ in range(100)]
    after = time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
    assert before - 1 <= shown[0] <= shown[-1] <= after
    assert shown == sorted(shown)


def test_no_wall_time_while_nobody_told_it(clock):
    now = clock.now()
    assert (now.wall_ms, now.quality) == (None, "none")
    assert clock.wall() is None


def test_wall_time_of_the_bridge(clock):
    clock.anchor(BRIDGE_MS)
    now = clock.now()
    assert now.quality == "bridge"
    assert 0 <= now.wall_ms - BRIDGE_MS < 5000
    assert abs((clock.wall() - datetime.fromtimestamp(BRIDGE_MS / 1000, UTC)).total_seconds()) < 5
    clock.anchor(BRIDGE_MS + 3_600_000)
    assert clock.now().wall_ms >= BRIDGE_MS + 3_600_000, "the newest word counts"


def test_a_synchronised_system_clock_comes_before_the_bridges_word(clock, tmp_path):
    clock.anchor(BRIDGE_MS)
    (tmp_path / "synchronised").touch()
    now = clock.now()
    assert now.quality == "ntp"
    assert abs(now.wall_ms - time.time() * 1000) < 5000
    (tmp_path / "synchronised").unlink()
    assert clock.now().quality == "bridge"


@pytest.mark.parametrize("told", [None, 0, BRIDGE_MS])
def test_every_moment_can_be_sealed(clock, told):
    if told is not None:
        clock.anchor(told)
    now = clock.now()
    assert moment_from_wire(now.wire()).wire() == now.wire()


# --- device clocks ---

START = datetime(2026, 3, 4, 7, 15)  # noqa: DTZ001 (a device's clock has no zone)


def looked(at_s: float, shows: datetime, boot: bytes = b"boot-one") -> bytes:
    now = Moment(boot, int(at_s * 1000), None, "none")
    return shown(DeviceClock(shows.isoformat(), int(at_s * 1000), written=False), now)


@given(st.integers(0, 400 * 86400))
def test_a_clock_that_runs_with_the_hubs_did_not_run_back(passed):
    drift = min(passed * 0.0001, 30)
    for shows in (START + timedelta(seconds=passed), START + timedelta(seconds=passed - drift)):
        assert not ran_back(looked(1000, START), looked(1000 + passed, shows))


@pytest.mark.parametrize("set_back", [3600, 86400, 5 * 365 * 86400])
def test_a_clock_that_shows_less_time_than_passed_ran_back(set_back):
    later = START + timedelta(seconds=7200 - set_back)
    assert ran_back(looked(1000, START), looked(8200, later))


def test_a_clock_that_was_set_forward_did_not_run_back():
    assert not ran_back(looked(1000, START), looked(1010, START + timedelta(days=2000)))


def test_after_a_boot_of_the_hub_only_an_earlier_time_shows_it():
    assert ran_back(looked(1000, START), looked(5, START - timedelta(seconds=1), b"boot-two"))
    assert not ran_back(looked(1000, START), looked(5, START + timedelta(seconds=1), b"boot-two"))
