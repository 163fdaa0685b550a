"""The hub's clock: time since boot always, wall time only when somebody told it.

A board has no battery clock, so wall time is what an anchor says, an NTP server's answer or the bridge's
signed one, plus the time that passed since then on the board's own counter. The system's calendar is never
read: no record can hold 1970 or 2000.

Which anchor counts (protocol, section 8): the newest of each source. NTP's is the more exact one, the
bridge's the only signed one: so NTP's counts while both agree within 60 s, the bridge's where they do not.
To the 60 s is added what the counter may have drifted since the bridge's word.
"""

import os
import time

from firmware.time_zone import Zone, date_of, weekday
from gateway.hub.events import log
from gateway.wire.measurement import BOOT_SIZE, Moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.bearer import Callable
    from gateway.drivers.shared.clocks import WallTime

_AGREE_MS = 60_000
_DRIFT = 10_000  # one part in so many: more than a board's crystal is off
# What lies outside was never told by a right clock: this code is younger, and certificates end before.
EARLIEST_MS, LATEST_MS = 1_767_225_600_000, 4_102_444_800_000  # the years 2026 to 2099


def _ticks() -> int:
    now: int = time.ticks_ms()  # type: ignore[attr-defined]
    return now


class Clock:
    """Moments of this boot.

    ticks, mask: a counter of milliseconds that begins again at mask + 1, by default the board's. Somebody
    must ask within each turn of it, which takes 12 days on a board: the hub asks every second.
    """

    def __init__(self, zone: Zone, ticks: "Callable[[], int]" = _ticks, mask: int | None = None) -> None:
        self.boot = os.urandom(BOOT_SIZE)
        self._zone = zone
        self._ticks = ticks
        self._mask: int = time.ticks_add(0, -1) if mask is None else mask  # type: ignore[attr-defined]
        self._last = ticks()
        self._mono_ms = self._last
        self._ntp_ahead_ms: int | None = None
        self._bridge_ahead_ms: int | None = None
        self._bridge_at_ms = 0

    def mono_ms(self) -> int:
        """Milliseconds since boot; never turns over."""
        now = self._ticks()
        self._mono_ms += (now - self._last) & self._mask
        self._last = now
        return self._mono_ms

    def anchor(self, bridge_ms: int) -> None:
        """The bridge's time, as its answer to fresh bytes just said."""
        if _possible(bridge_ms):
            self._bridge_at_ms = self.mono_ms()
            self._bridge_ahead_ms = bridge_ms - self._bridge_at_ms
            self._compare()

    def set_ntp(self, wall_ms: int) -> None:
        """An NTP server's time, as its answer just said."""
        if _possible(wall_ms):
            self._ntp_ahead_ms = wall_ms - self.mono_ms()
            self._compare()

    def _compare(self) -> None:
        if self._ntp_ahead_ms is not None and self.now().quality != "ntp":
            log.warning("clocks-disagree")

    def now(self) -> Moment:
        mono_ms = self.mono_ms()
        ntp, bridge = self._ntp_ahead_ms, self._bridge_ahead_ms
        apart = 0 if ntp is None or bridge is None else abs(ntp - bridge)
        if ntp is not None and apart <= _AGREE_MS + (mono_ms - self._bridge_at_ms) // _DRIFT:
            return Moment(self.boot, mono_ms, mono_ms + ntp, "ntp")
        if bridge is not None:
            return Moment(self.boot, mono_ms, mono_ms + bridge, "bridge")
        return Moment(self.boot, mono_ms, None, "none")

    def wall(self) -> int | None:
        """Milliseconds since 1970 UTC, or None while it is not known."""
        return self.now().wall_ms

    def local_time(self, wall_ms: int) -> "WallTime":
        """That moment on the clocks of the home (drivers.shared.clocks.WallTime), to set a device's clock."""
        from gateway.drivers.shared.clocks import WallTime

        utc_s, ms = divmod(wall_ms, 1000)
        ahead_s = self._zone.ahead_s(utc_s)
        days, second = divmod(utc_s + ahead_s, 86400)
        date = date_of(days) + (second // 3600, second // 60 % 60, second % 60)
        return WallTime(date, weekday(days), ms * 256 // 1000, ahead_s // 60)


def _possible(wall_ms: int) -> bool:
    if EARLIEST_MS <= wall_ms < LATEST_MS:
        return True
    log.warning("time-impossible")
    return False
