"""A virtual scale on a cable that tells weights as lines of text, all the time while somebody stands on it.

Layout: devices.md section 8.7 (A&D and similar); encoded here without any code of the gateway.
"""

import asyncio
import random
from datetime import timedelta

from gateway.simulator.cable import Cable
from gateway.simulator.encoding import scaled

LINES_A_SECOND = 10
STABLE, UNSTABLE, OVERLOAD = "ST", "US", "OL"
_UNITS = {"kg": "kg", "lb": "[lb_av]"}


def line(state: str, tenths: int, unit: str = "kg") -> bytes:
    """`ST,+00065.0 kg`, CR LF."""
    sign = "-" if tenths < 0 else "+"
    return f"{state},{sign}{scaled(abs(tenths), 1):0>7} {unit}\r\n".encode()


class AsciiScale(Cable):
    """It talks and hears nothing. stands_s: how long a person stands still on it."""

    driver = "ascii-scale"
    unit = "kg"
    stands_s = 2.0
    _last = 0

    async def use(self, ago: timedelta = timedelta(0)) -> None:  # noqa: ARG002 (it stores nothing)
        """Only while somebody listens. No weight twice in a row: within seconds that is one measurement."""
        await self.wait_for_listener()
        await self.weigh(random.choice([tenths for tenths in range(480, 1100) if tenths != self._last]))

    async def weigh(self, tenths: int) -> bool:
        """A person steps on, stands still and steps off; True when somebody listened all the time."""
        self._last = tenths
        values = {"body-weight": scaled(tenths, 1)}
        units = {"body-weight": _UNITS[self.unit]}
        number = self.truth.measured("weight", values, units=units, origin="spot", notes=[])
        self.truth.sent(number)
        complete = self.heard
        for part in (1, 2, 3):
            complete = await self.tell(UNSTABLE, tenths * part // 3) and complete
        for _ in range(int(self.stands_s * LINES_A_SECOND)):
            complete = await self.tell(STABLE, tenths) and complete
        for state, shown in ((UNSTABLE, tenths // 2), (STABLE, 0)):
            complete = await self.tell(state, shown) and complete
        (self.truth.confirmed if complete else self.truth.cut_off)(number)
        return complete

    async def overload(self) -> None:
        """Too much for it: no weight."""
        self.truth.sent(self.truth.no_reading(state=OVERLOAD))
        await self.tell(OVERLOAD, 9999999)

    async def tell(self, state: str, tenths: int) -> bool:
        """One line, at the scale's pace."""
        heard = await self.say(line(state, tenths, self.unit))
        await asyncio.sleep(1 / LINES_A_SECOND / self.speed)
        return heard
