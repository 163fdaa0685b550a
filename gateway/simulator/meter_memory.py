"""The memory of a virtual meter: its records and its clock, in a file that survives a restart."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

CLOCK_AFTER_BATTERY = datetime(2000, 1, 1)  # noqa: DTZ001 (devices know no zone)
_NAN = 0x07FF


@dataclass(frozen=True)
class Record:
    """One stored measurement. number counts within this meter and is never sent: for comparisons only."""

    number: int
    data: bytes


class MeterMemory:
    """What is in the meter, oldest first, and how far its clock is off the machine's local time."""

    def __init__(self, path: Path, clock_offset: timedelta) -> None:
        self.records: list[Record] = []
        self._path = path
        self._offset = clock_offset
        self._next = 1
        if path.exists():
            self._load(json.loads(path.read_text(encoding="utf-8")))

    def _load(self, kept: dict[str, object]) -> None:
        rows = kept["records"]
        assert isinstance(rows, list)
        self.records = [Record(int(number), bytes.fromhex(data)) for number, data in rows]
        self._offset = timedelta(seconds=float(str(kept["clock_offset_s"])))
        self._next = int(str(kept["next"]))

    def _save(self) -> None:
        """By rename, so that a kill leaves the old memory or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rows = [[record.number, record.data.hex()] for record in self.records]
        kept = {"records": rows, "clock_offset_s": self._offset.total_seconds(), "next": self._next}
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(kept), encoding="utf-8")
        beside.replace(self._path)

    def now(self) -> datetime:
        """What the meter's clock shows."""
        return datetime.now() + self._offset  # noqa: DTZ005 (devices know no zone)

    def set_clock(self, moment: datetime) -> None:
        self._offset = moment - datetime.now()  # noqa: DTZ005 (as above)
        self._save()

    def add(self, data: bytes) -> Record:
        record = Record(self._next, data)
        self._next += 1
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


def date_time(moment: datetime) -> bytes:
    """Date Time (2A08): year, little-endian, then month to second."""
    parts = (moment.month, moment.day, moment.hour, moment.minute, moment.second)
    return moment.year.to_bytes(2, "little") + bytes(parts)


def measurement(
    pressures: tuple[int, int, int | None],
    moment: datetime | None,
    pulse: int | None,
    user: int | None,
    status: int | None,
) -> bytes:
    """A Blood Pressure Measurement (2A35) in mmHg; what is None is absent, a pressure then is NaN."""
    fields = b"".join(_sfloat(pressure) for pressure in pressures)
    flags = 0
    for bit, part in (
        (0x02, None if moment is None else date_time(moment)),
        (0x04, None if pulse is None else _sfloat(pulse)),
        (0x08, None if user is None else bytes((user,))),
        (0x10, None if status is None else status.to_bytes(2, "little")),
    ):
        if part is not None:
            flags |= bit
            fields += part
    return bytes((flags,)) + fields


def _sfloat(number: int | None) -> bytes:
    """An integer as SFLOAT with exponent 0; None is NaN."""
    return (_NAN if number is None else number & 0x0FFF).to_bytes(2, "little")
