"""Whether a device's clock ran back: what it stamps then may look like a record before."""

from gateway.drivers.shared.later import seconds_at
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import Moment

# A device's clock shows whole seconds and loses a few in ten thousand.
SLACK_S, DRIFT = 20, 3e-4


def shown(clock: DeviceClock, now: Moment) -> bytes:
    """What a device's clock showed in this boot, in a form to be kept."""
    return f"{now.boot.hex()} {clock.mono_ms} {clock.device_time}".encode()


def ran_back(before: bytes, after: bytes) -> bool:
    """Whether a device's clock, `shown` twice, was set back or restarted in between, as far as can be told.

    Within one boot of the hub the time between is known, and a clock that shows less than that ran back.
    """
    boot, mono_ms, text = before.decode().split(" ")
    boot_after, mono_after_ms, text_after = after.decode().split(" ")
    went_s = seconds_at(text_after) - seconds_at(text)
    passed_s = (int(mono_after_ms) - int(mono_ms)) / 1000 if boot == boot_after else 0
    return went_s < passed_s * (1 - DRIFT) - (SLACK_S if passed_s else 0)
