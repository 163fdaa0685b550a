"""What a virtual device really did, as JSON lines: what comparisons are made against.

A reading that a right driver must report is one row:
{"event": "measured", "number", "kind", "values": {name: text}, "device_time", …}
values: the device's own digits; null where the device says that it has no such value; with a limit
"<20" or ">600". A name that is repeated has a list. device_time: what the device's clock said, null when it
tells no time. "units": {name: UCUM code} where a device has a choice. After it come {"event": "sent",
"number"} when the device told it (the hub may have it), and {"event": "confirmed", "number"} when the device
knows that it arrived, or told it to the end to somebody who listened (the hub must have it). {"event":
"cut-off", "number"}: the hub left in the middle of a stream, and has this value or none of it.
What the device tells and a right driver must NOT report (a failed measurement, an estimate) is a row
"no-reading" with a number of its own.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

MEASURED, NO_READING = "measured", "no-reading"
SENT, CONFIRMED, CUT_OFF = "sent", "confirmed", "cut-off"
Values = Mapping[str, str | list[str] | None]


class TruthLog:
    """A file of events, one JSON object a line, appended and flushed; it goes on where the last run ended.

    Events of this run are also kept in memory, so that a test can wait for one.
    """

    def __init__(self, path: Path, device: str) -> None:
        self.path = path
        self.events: list[dict[str, Any]] = []
        self._device = device
        self._changed = asyncio.Event()
        numbered = (MEASURED, NO_READING)
        self._number = len([line for line in read_truth(path) if line["event"] in numbered])
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, event: str, **facts: object) -> None:
        line = {
            "at": datetime.now().astimezone().isoformat(),
            "device": self._device,
            "event": event,
            **facts,
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.events.append(line)
        self._changed.set()
        self._changed = asyncio.Event()

    def measured(self, kind: str, values: Values, device_time: datetime | None = None, **more: object) -> int:
        """A reading that a right driver must report; its number, which counts within this log."""
        self._number += 1
        shown = None if device_time is None else device_time.isoformat(timespec="seconds")
        self.write(MEASURED, number=self._number, kind=kind, values=dict(values), device_time=shown, **more)
        return self._number

    def no_reading(self, **more: object) -> int:
        """Something that the device tells and that is no reading; its number."""
        self._number += 1
        self.write(NO_READING, number=self._number, **more)
        return self._number

    def sent(self, number: int, **facts: object) -> None:
        """The device told this reading; whether it arrived is not known."""
        self.write(SENT, number=number, **facts)

    def cut_off(self, number: int) -> None:
        """The hub left while a stream was told: it has this value, or none of the stream."""
        self.write(CUT_OFF, number=number)

    def confirmed(self, number: int) -> None:
        """The hub has this reading, as far as the device can know."""
        self.write(CONFIRMED, number=number)

    def of(self, event: str) -> list[dict[str, Any]]:
        """The events of this name in this run."""
        return [line for line in self.events if line["event"] == event]

    async def wait_for(self, event: str, count: int = 1, timeout_s: float = 20) -> list[dict[str, Any]]:
        """Returns when this run has so many events of this name; TimeoutError otherwise."""
        async with asyncio.timeout(timeout_s):
            while len(self.of(event)) < count:
                await self._changed.wait()
        return self.of(event)


def read_truth(path: Path) -> list[dict[str, Any]]:
    """All events of all runs, oldest first."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line]
