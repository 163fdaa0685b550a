"""When the radio may have gone deaf, and what to do then. Pure: no clock, no Bluetooth.

Silence alone proves nothing: a house may be quiet, and BlueZ tells of devices that it only remembers. What
counts as heard is a fresh signal from the air, of whomever: every neighbour's phone is our canary. After
silence first the scanner is started anew, then the adapter is switched off and on, and after that ever more
rarely: a house that is quiet loses nothing by it. The radio counts as listening again when something was
heard after that, not when BlueZ says so.

What one adapter can prove: that it takes orders (it begins to scan when told), and that it hears (something
was heard). It cannot hear itself, so in a house where nothing sends, hearing is unproven, and is said to be.
"""

RESTART, POWER_CYCLE = "restart", "power-cycle"
# How the hub knows that its radio works: not at all, it took the order to scan, it heard somebody.
UNPROVEN, OBEYS, HEARS = "unproven", "obeys", "hears"


class Watchdog:
    """Of one radio. Times are seconds of any clock that only goes forward.

    silence_s: nothing heard for so long is a reason for doubt. longest_s: between two attempts to mend it.
    """

    def __init__(self, silence_s: float, longest_s: float) -> None:
        self.attempts = 0  # to mend it, since something was last heard
        self._silence_s = silence_s
        self._longest_s = longest_s
        self._since = 0.0

    def started(self, now: float) -> None:
        """The scanner was started."""
        self._since = now

    def heard(self, now: float) -> None:
        """A fresh signal from the air."""
        self._since = now
        self.attempts = 0

    def postpone(self, now: float) -> None:
        """The radio is in use for something else (it connects): no doubt for now."""
        self._since = now

    def due(self) -> float:
        """When there will be reason for doubt, if nothing is heard until then."""
        doubled = 1 << min(max(self.attempts - 1, 0), 16)
        return self._since + min(self._silence_s * doubled, self._longest_s)

    def remedy(self) -> str:
        """What to do now that it was silent for too long: RESTART first, then POWER_CYCLE."""
        self.attempts += 1
        return RESTART if self.attempts == 1 else POWER_CYCLE
