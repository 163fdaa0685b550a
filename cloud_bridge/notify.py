"""How a daemon of the bridge speaks to whoever started it: ready (sd_notify), and its log."""

import logging
import os
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()


def notify(state: str) -> None:
    """Send READY=1 or STOPPING=1; nothing happens where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, suppress(OSError):
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.send(state.encode())


def log_to_stderr() -> None:
    """One JSON line an event: codes and short keys, never a reading, a name or an address."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(handlers=[LibraryLog(logging.WARNING)], force=True)


class LibraryLog(logging.Handler):
    """Says that a library had something to say, and where; its own words may hold a name or an address."""

    def emit(self, record: logging.LogRecord) -> None:
        facts = {"library": record.name, "line": record.lineno}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frame = traceback.extract_tb(error.__traceback__)[-1:]
            facts["error"] = type(error).__name__
            facts["where"] = "".join(f"{Path(one.filename).name}:{one.lineno}" for one in frame)
        log.log(record.levelno, "library-warning", **facts)
