"""What a virtual device really did, as JSON lines: what comparisons are made against."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any


class TruthLog:
    """A file of events, one JSON object a line, appended and flushed; it goes on where the last run ended.

    Events of this run are also kept in memory, so that a test can wait for one.
    """

    def __init__(self, path: Path, device: str) -> None:
        self.path = path
        self.events: list[dict[str, Any]] = []
        self._device = device
        self._changed = asyncio.Event()
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
