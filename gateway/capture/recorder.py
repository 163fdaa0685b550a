"""Stands between radio or cable and the hub, and notes what a device sends and is sent.

The hub does its work as always; what is noted here is a copy. At the end of each visit it goes into a file,
without what names the device.
"""

import os
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.capture.recording import FROM, MOST_ROWS, SILENT, TO, CaptureError, Row, Tape, lines_of
from gateway.capture.redaction import redacted
from gateway.hub.visit import Listener, Visit
from gateway.wire.items import Frame

log = structlog.get_logger()


class CaptureFile:
    """A new file, readable by its owner alone. CaptureError("capture-exists"), ("capture-unwritable").

    with_values: the bytes themselves, and so the measurements; else sizes and times alone.
    """

    def __init__(self, path: Path, *, with_values: bool) -> None:
        self.visits = 0
        self._with_values = with_values
        try:
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
        except FileExistsError:
            raise CaptureError("capture-exists", str(path)) from None
        except OSError as error:
            raise CaptureError("capture-unwritable", f"{path}: {error.strerror}") from None

    def keep(self, tape: Tape, visit: Visit) -> None:
        """A visit is over. One in which nobody answered is none."""
        if not tape.heard():
            return
        about = visit.device
        names = [about.serial, about.system_id, about.address]
        clean, replays = redacted(tape, names, keeps_secret=visit.driver.keeps_secret)
        if not replays:
            log.warning("capture-replays-differently", driver=tape.driver)
        self.visits += 1
        for line in lines_of(clean, self.visits, with_values=self._with_values):
            self._file.write(line + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Recorder:
    """A Listener before another one. keep: called with each visit when it is over."""

    def __init__(
        self, listener: Listener, keep: Callable[[Tape, Visit], None], mono_ms: Callable[[], int]
    ) -> None:
        self._listener = listener
        self._keep = keep
        self._mono_ms = mono_ms
        self._tapes: dict[bytes, tuple[Tape, int]] = {}

    def opened(self, visit: Visit) -> None:
        self._tapes[visit.number] = Tape(visit.driver.name), self._mono_ms()
        self._listener.opened(visit)

    def begun(self, visit: Visit) -> list[Frame]:
        return self._sent(visit, self._listener.begun(visit))

    def received(self, visit: Visit, source: str, data: bytes) -> list[Frame]:
        self._note(visit, FROM, source, bytes(data))
        return self._sent(visit, self._listener.received(visit, source, data))

    def silent(self, visit: Visit) -> list[Frame]:
        self._note(visit, SILENT)
        return self._sent(visit, self._listener.silent(visit))

    def closed(self, visit: Visit) -> None:
        self._listener.closed(visit)
        self._keep(self._tapes.pop(visit.number)[0], visit)

    def _sent(self, visit: Visit, frames: list[Frame]) -> list[Frame]:
        for frame in frames:
            self._note(visit, TO, frame.source, frame.data)
        return frames

    def _note(self, visit: Visit, what: str, channel: str = "", data: bytes = b"") -> None:
        tape, began_ms = self._tapes[visit.number]
        if len(tape.rows) < MOST_ROWS:
            tape.rows.append(Row(self._mono_ms() - began_ms, what, channel, data))
