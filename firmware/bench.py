"""What a workbench asks of a board over its cable (firmware/workshop/enrol.py), while no hub runs."""

import json

from firmware import reset, slots
from firmware.main import DATA


def request(hub: str) -> None:
    """Print what the bridge needs to know this hub."""
    from firmware import enrolment

    mount()
    print(json.dumps(enrolment.request(DATA, hub)))


def install(answer: str, settings: str) -> None:
    """Keep what the bridge answered, and the settings."""
    from firmware import enrolment

    mount()
    enrolment.install(DATA, answer, settings)


def devices() -> None:
    """Print the identities of the configured devices, to bind them at the bridge."""
    from firmware.identities import identities

    mount()
    print(json.dumps(identities(DATA)))


def mount() -> None:
    """The data are there whatever ran before; made where this is a new board."""
    if reset.is_due():
        reset.resume(slots.partition(slots.DATA), [slots.partition(slots.NVS)], lambda: None)
    try:
        slots.mount_data(DATA)
    except OSError:
        pass  # they are already
