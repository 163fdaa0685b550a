"""Moments in FHIR's own form, with the offset of the Dutch clock."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cloud_bridge.fhir.part import RenderError
from cloud_bridge.measured import Interval

ZONE = ZoneInfo("Europe/Amsterdam")
INSTANT_MS = 60_000
PERIOD_MS = 24 * 60 * 60 * 1000


def moment(ms: int) -> str:
    """A dateTime or instant of ms UTC, to the ms. RenderError("time-unplaced") outside the calendar."""
    if ms < 0:
        raise RenderError("time-unplaced", "before 1970")
    try:
        local = datetime.fromtimestamp(ms // 1000, UTC).astimezone(ZONE)
    except (OverflowError, ValueError, OSError) as error:
        raise RenderError("time-unplaced", "outside the calendar") from error
    local = local.replace(microsecond=ms % 1000 * 1000)
    return local.isoformat(timespec="milliseconds" if ms % 1000 else "seconds")


def effective(placed: Interval) -> dict[str, Any]:
    """When it was measured: an instant when the doubt is at most a minute, else the whole period.

    The instant is the interval's start: a device that shows 12:34 means the minute that began then. More than
    24 hours of doubt is never rendered: RenderError("time-unplaced"), the citizen places it.
    """
    doubt = placed.high_ms - placed.low_ms
    if not 0 <= doubt <= PERIOD_MS:
        raise RenderError("time-unplaced", "more doubt than a day")
    if doubt <= INSTANT_MS:
        return {"effectiveDateTime": moment(placed.low_ms)}
    return {"effectivePeriod": {"start": moment(placed.low_ms), "end": moment(placed.high_ms)}}
