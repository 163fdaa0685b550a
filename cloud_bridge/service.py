"""The bridge as a daemon: reads its directory, runs, says that it is ready, and stops cleanly."""

import signal
import sys
import threading
from pathlib import Path

import structlog

from cloud_bridge.administration import AdministrationError, Place
from cloud_bridge.bridge import Bridge
from cloud_bridge.intake import IntakeSettings
from cloud_bridge.ledger.database import Database
from cloud_bridge.notify import notify

CHECK_S = 0.1


def serve(directory: Path) -> None:
    """Run until SIGTERM or SIGINT. AdministrationError when the bridge was not set up."""
    log_to_stderr()
    place = Place(directory)
    if not directory.is_dir():
        raise AdministrationError("bridge-not-set-up", str(directory))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = place.settings()
    database = Database(place.database)
    database.migrate()
    bridge = Bridge(directory, database, _mqtt(place, settings))
    bridge.start()
    while not bridge.connected and not stop.wait(CHECK_S):
        pass
    notify("READY=1")
    stop.wait()
    notify("STOPPING=1")
    bridge.stop()


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


def _mqtt(place: Place, settings: dict[str, int | str]) -> IntakeSettings:
    identity = place.identity
    return IntakeSettings(
        host=str(settings["host"]),
        port=int(settings["port"]),
        ca=identity.ca,
        certificate=identity.certificate,
        key=identity.key,
    )
