"""How a daemon of the bridge speaks to whoever started it: ready (sd_notify), and its log."""

import os
import socket
import sys
from contextlib import suppress

import structlog


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
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
