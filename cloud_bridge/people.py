"""Whose reading it is, and whether it may go: pure rules, no default citizen ever.

docs/decisions/0006-whose-and-again.md. A binding says that from one moment to another a device (and its
user slot) measures one citizen. It counts only for a reading whose placed time, with its doubt, lies wholly
inside. What is not certain is held and asked about, never guessed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cloud_bridge.measured import Interval

ALONE, SLOTS, SHARED = MODES = ("alone", "slots", "shared")

NO_BINDING = "no-binding"
BEFORE_BINDING = "before-binding"
AMBIGUOUS = "ambiguous"
SHARED_DEVICE = "shared-device"
PAUSED = "paused"
NO_RECEIVER = "no-receiver"


@dataclass(frozen=True)
class Binding:
    """This device measures this citizen, from this moment until that (None: still does).

    slot: the user number on the device, where its mode is `slots`; None for a device that has one user.
    """

    citizen: str
    slot: int | None
    from_ms: int
    to_ms: int | None

    def holds(self, placed: Interval) -> bool:
        """Whether the whole interval lies inside; the end itself no longer does."""
        return self.from_ms <= placed.low_ms and (self.to_ms is None or placed.high_ms < self.to_ms)

    def touches(self, placed: Interval) -> bool:
        """Whether it may have been measured under this binding."""
        return self.from_ms <= placed.high_ms and (self.to_ms is None or placed.low_ms < self.to_ms)


@dataclass(frozen=True)
class Whose:
    """The citizen; or None with the code that says why a person must be asked."""

    citizen: str | None
    code: str | None = None


def whose(mode: str, slot: int | None, placed: Interval, bindings: Iterable[Binding]) -> Whose:
    """Whose a reading of this device is.

    mode: alone (one person uses it), slots (each person has a user number on it) or shared (always ask).
    A device in mode `slots` that names no user gives no citizen: its bindings are of slots only.
    """
    if mode == SHARED:
        return Whose(None, SHARED_DEVICE)
    candidates = [one for one in bindings if one.slot == (slot if mode == SLOTS else None)]
    if mode == SLOTS and slot is None:
        candidates = []
    citizens = {one.citizen for one in candidates if one.holds(placed)}
    if len(citizens) == 1:
        return Whose(citizens.pop())
    if len({one.citizen for one in candidates if one.touches(placed)}) > 1:
        return Whose(None, AMBIGUOUS)
    if candidates and placed.low_ms < min(one.from_ms for one in candidates):
        return Whose(None, BEFORE_BINDING)
    return Whose(None, NO_BINDING)


def may_go(*, paused: bool, receivers: int) -> str | None:
    """None when a citizen's reading may go to their receivers now, else the code that says why not.

    Asked again at the moment of each delivery. Consent (which kinds to whom until when) joins here.
    """
    if paused:
        return PAUSED
    if receivers == 0:
        return NO_RECEIVER
    return None
