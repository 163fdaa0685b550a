"""The bridge as a daemon: reads its directory, runs, says that it is ready, and stops cleanly."""

import signal
import threading
from pathlib import Path

from cloud_bridge import repair
from cloud_bridge.administration import Place, opened
from cloud_bridge.bridge import Bridge, now_ms
from cloud_bridge.intake import IntakeSettings
from cloud_bridge.ledger.database import Database
from cloud_bridge.notify import log_to_stderr, notify


def serve(directory: Path) -> None:
    """Run until SIGTERM or SIGINT. AdministrationError: no bridge was set up here, or its ledger is gone."""
    place = Place(directory)
    settings = place.settings()
    log_to_stderr()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with opened(directory) as database:
        database.migrate()
        repair.read_again(database, now_ms())
    database = Database(place.database)
    bridge = Bridge(directory, database, _mqtt(place, settings))
    bridge.start()
    notify("READY=1")
    stop.wait()
    notify("STOPPING=1")
    bridge.stop()


def _mqtt(place: Place, settings: dict[str, int | str]) -> IntakeSettings:
    identity = place.identity
    return IntakeSettings(
        host=str(settings["host"]),
        port=int(settings["port"]),
        ca=identity.ca,
        certificate=identity.certificate,
        key=identity.key,
    )
