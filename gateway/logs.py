"""The hub's log: one line an event on stderr, with nothing personal in it, whoever writes it."""

import logging
import sys
import traceback
from pathlib import Path

import structlog

log = structlog.get_logger()


def log_to_stderr(form: str) -> None:
    """Events carry codes and short keys, never a reading, a name or a device address. form: text or json."""
    text = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            text if form == "text" else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(handlers=[LibraryLog(logging.WARNING)], force=True)


def log_nothing() -> None:
    """For a command that tells people itself what goes on."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


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
