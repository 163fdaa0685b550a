"""The hub's clock: time since boot always, wall time only when it can be trusted.

A Pi has no battery clock. Wall time counts once the system clock is synchronised (systemd-timesyncd says
so), or once the bridge told its time in an answer to this hub's fresh bytes.
"""

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path

from gateway.wire.measurement import BOOT_SIZE, Moment

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")


class Clock:
    """Moments of this boot. `synchronised` is the file that exists while the system clock is right."""

    def __init__(self, synchronised: Path = SYNCHRONISED) -> None:
        self.boot = hashlib.sha256(BOOT_ID.read_bytes()).digest()[:BOOT_SIZE]
        self._synchronised = synchronised
        self._bridge_ahead_ms: int | None = None

    def mono_ms(self) -> int:
        """Milliseconds since boot; goes on during suspend and over restarts of the daemon."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def anchor(self, bridge_ms: int) -> None:
        """The bridge's time, as its answer to fresh bytes just said."""
        self._bridge_ahead_ms = bridge_ms - self.mono_ms()

    def now(self) -> Moment:
        mono_ms = self.mono_ms()
        if self._synchronised.exists():
            return Moment(self.boot, mono_ms, time.time_ns() // 1_000_000, "ntp")
        if self._bridge_ahead_ms is not None:
            return Moment(self.boot, mono_ms, mono_ms + self._bridge_ahead_ms, "bridge")
        return Moment(self.boot, mono_ms, None, "none")

    def wall(self) -> datetime | None:
        """UTC, or None while it is not known."""
        wall_ms = self.now().wall_ms
        return None if wall_ms is None else datetime.fromtimestamp(wall_ms / 1000, UTC)
