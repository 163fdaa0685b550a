"""The memory of a virtual device: its records and its clock, in a file that survives a restart."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

CLOCK_AFTER_BATTERY = datetime(2000, 1, 1)  # noqa: DTZ001 (devices know no zone)


@dataclass(frozen=True)
class Record:
    """One stored reading. number: its row in the truth log, never sent. parts: bytes, and where they go.

    A part's place is a characteristic ("2a35"), or any word where a device has one way out only.
    """

    number: int
    parts: tuple[tuple[str, bytes], ...]

    @property
    def data(self) -> bytes:
        """All bytes in one."""
        return b"".join(data for _, data in self.parts)


class MeterMemory:
    """What is in the meter, oldest first, and how far its clock is off the machine's local time."""

    def __init__(self, path: Path, clock_offset: timedelta) -> None:
        self.records: list[Record] = []
        self._path = path
        self._offset = clock_offset
        if path.exists():
            self._load(json.loads(path.read_text(encoding="utf-8")))

    def _load(self, kept: dict[str, object]) -> None:
        rows = kept["records"]
        assert isinstance(rows, list)
        self.records = [
            Record(int(number), tuple((place, bytes.fromhex(data)) for place, data in parts))
            for number, parts in rows
        ]
        self._offset = timedelta(seconds=float(str(kept["clock_offset_s"])))

    def _save(self) -> None:
        """By rename, so that a kill leaves the old memory or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            [record.number, [[place, data.hex()] for place, data in record.parts]] for record in self.records
        ]
        beside = self._path.with_suffix(".new")
        kept = {"records": rows, "clock_offset_s": self._offset.total_seconds()}
        beside.write_text(json.dumps(kept), encoding="utf-8")
        beside.replace(self._path)

    def now(self) -> datetime:
        """What the meter's clock shows."""
        return datetime.now() + self._offset  # noqa: DTZ005 (devices know no zone)

    def set_clock(self, moment: datetime) -> None:
        self._offset = moment - datetime.now()  # noqa: DTZ005 (as above)
        self._save()

    def add(self, number: int, *parts: tuple[str, bytes]) -> Record:
        record = Record(number, parts)
        self.records.append(record)
        self._save()
        return record

    def forget(self, record: Record) -> None:
        self.records.remove(record)
        self._save()

    def change_battery(self, *, wipes_memory: bool) -> list[Record]:
        """The clock restarts; returns the records that were lost."""
        lost = self.records if wipes_memory else []
        self.records = [] if wipes_memory else self.records
        self.set_clock(CLOCK_AFTER_BATTERY)
        return lost
