"""When a device may pair: only while a person has opened pairing for that very device.

Asked by the radio (may I pair?) and by the pairing agent (may BlueZ?). Nothing is remembered over a
restart: a window that was open is closed then.
"""

import time
from collections.abc import Callable


class PairingWindow:
    """Which devices may pair now, by Bluetooth address."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: dict[str, float] = {}
        self._answers: dict[str, tuple[float, bool]] = {}

    def open_for(self, address: str, seconds: float = 120) -> None:
        """This device may pair for so long; opening again starts anew."""
        self._until[address.upper()] = self._monotonic() + seconds

    def close(self, address: str) -> None:
        self._until.pop(address.upper(), None)

    def is_open(self, address: str) -> bool:
        return self._until.get(address.upper(), 0) > self._monotonic()

    def answer(self, address: str) -> bool:
        """BlueZ asks: may this device pair? Remembered, because BlueZ pairs without telling the radio."""
        allowed = self.is_open(address)
        self._answers[address.upper()] = self._monotonic(), allowed
        return allowed

    def answered(self, address: str, within_s: float) -> bool | None:
        """What BlueZ was last told about this device; None when it did not ask in these last seconds."""
        at, allowed = self._answers.get(address.upper(), (float("-inf"), None))
        return allowed if self._monotonic() - at <= within_s else None
