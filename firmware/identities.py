"""Who the configured devices are: one identity each, chosen once and kept in the outbox."""

import os

from firmware.outbox import Outbox

# What the outbox leaves of the flash: for keys, bonds, settings, and littlefs to move things about.
_BESIDE_BYTES = 64 * 1024

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.config import Entry


def identities(folder: str) -> list[str]:
    """Of the devices in this hub's configuration, in its order; for whoever binds them at the bridge."""
    from firmware import config

    settings = config.load(folder)
    if settings is None:
        return []
    outbox = Outbox(folder + "/outbox", space(folder))
    try:
        return [identity(entry, outbox) for entry in settings.devices]
    finally:
        outbox.close()


def identity(entry: "Entry", outbox: Outbox) -> str:
    """By its address; on a cable nothing says who it is: a random id that the hub gives to the port."""
    if entry.address:
        return "bluetooth-" + entry.address.replace(":", "")
    name = "identity:uart%d" % entry.uart
    known = outbox.setting(name)
    if known is None:
        known = os.urandom(8)
        outbox.set_setting(name, known)
    return "port-" + known.hex()


def space(folder: str) -> int:
    """What the outbox may use: of a 4 MiB flash 1.2 MB."""
    facts = os.statvfs(folder)
    return facts[1] * facts[2] - _BESIDE_BYTES
