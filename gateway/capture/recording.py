"""What devices said and were told, as lines of a file that replays: the form of a capture.

A line is a JSON object. Of each visit: {"visit", "driver", "version"}; then rows in order, each with "visit"
and "t" (ms since the visit began): {"from": channel, "hex"}, {"to": channel, "hex"}, {"silent": true}; and
at its end {"closed": true, "readings", "errors"}: what the driver makes of the rows, and what a replay must
give again. Where people did not agree to show values, "size" stands in place of "hex", and no readings.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.drivers import driver_named
from gateway.drivers.base import SENT
from gateway.wire.errors import MeethubError
from gateway.wire.items import Frame

FROM, TO, SILENT = "from", "to", "silent"
MOST_ROWS = 20_000  # of one visit: an oximeter's night


class CaptureError(MeethubError):
    """A capture could not be made, or is none."""


@dataclass(frozen=True)
class Row:
    """One thing that happened. channel and data are empty for SILENT."""

    at_ms: int
    what: str
    channel: str = ""
    data: bytes = b""


@dataclass
class Tape:
    """One visit. result: what was made of it when it was recorded, where the file tells."""

    driver: str
    rows: list[Row] = field(default_factory=list)
    result: dict[str, Any] | None = None

    def heard(self) -> bool:
        return any(row.what == FROM for row in self.rows)


def play(tape: Tape) -> dict[str, Any]:
    """What the driver of today makes of a visit: {"readings": [JSON …], "errors": [codes …]}.

    CaptureError("capture-unreadable") when there is no such driver.
    """
    kind = driver_named(tape.driver)
    if kind is None:
        raise CaptureError("capture-unreadable", f"no driver is named {tape.driver[:40]!r}")
    driver, records = kind(), []
    for row in tape.rows:
        if row.what != SILENT:
            source = row.channel if row.what == FROM else SENT + row.channel
            records += driver.received(Frame(source, row.at_ms, row.data))
    records += driver.finish()
    return {
        "readings": [record.reading.json() for record in records if record.reading is not None],
        "errors": [record.error.code for record in records if record.error is not None],
    }


def lines_of(tape: Tape, visit: int, *, with_values: bool) -> Iterator[str]:
    """The lines of one visit."""
    kind = driver_named(tape.driver)
    version = kind.version if kind else None
    yield json.dumps({"visit": visit, "driver": tape.driver, "version": version})
    for row in tape.rows:
        told: dict[str, Any] = {"visit": visit, "t": row.at_ms}
        if row.what == SILENT:
            told["silent"] = True
        else:
            told[row.what] = row.channel
            told |= {"hex": row.data.hex()} if with_values else {"size": len(row.data)}
        yield json.dumps(told)
    result = play(tape)
    shown = result if with_values else {name: len(found) for name, found in result.items()}
    yield json.dumps({"visit": visit, "closed": True, **shown})


def tapes_in(lines: Iterable[str]) -> list[Tape]:
    """The visits of a file, in order.

    CaptureError: "capture-unreadable" with the number of the line, or "capture-without-values".
    """
    tapes: dict[int, Tape] = {}
    for number, line in enumerate(lines, 1):
        try:
            _take(tapes, json.loads(line))
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise CaptureError("capture-unreadable", f"line {number}") from error
    return list(tapes.values())


def _take(tapes: dict[int, Tape], row: dict[str, Any]) -> None:
    if "driver" in row:
        tapes[row["visit"]] = Tape(str(row["driver"]))
        return
    tape = tapes[row["visit"]]
    if row.get("closed"):
        tape.result = {"readings": row["readings"], "errors": row["errors"]}
    elif "size" in row:
        raise CaptureError("capture-without-values")
    elif row.get("silent"):
        tape.rows.append(Row(int(row["t"]), SILENT))
    else:
        what = FROM if FROM in row else TO
        tape.rows.append(Row(int(row["t"]), what, str(row[what]), bytes.fromhex(row["hex"])))
