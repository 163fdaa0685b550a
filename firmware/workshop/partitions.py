"""The flash of a hub: which part is for what, as ESP-IDF's bootloader reads it (a binary partition table).

Sources: ESP-IDF programming guide, "Partition Tables"; MicroPython's ports/esp32 for the names `factory`,
`romfs` and `vfs` that its images look for; `data` is ours.
"""

import hashlib
import struct
from dataclasses import dataclass

from firmware.workshop.image import SLOT_SIZE

KIB = 1024
TABLE_AT, TABLE_SIZE = 0x8000, 0xC00
ROMFS_AT = 0x200000
# boot.py, main.py and the small records beside them; nothing of a home, so a factory reset leaves it.
VFS_BYTES = 64 * KIB
_APP, _DATA = 0, 1


@dataclass(frozen=True)
class Partition:
    """label: at most 15 characters. kind and subtype: ESP-IDF's numbers. at, size: bytes."""

    label: str
    kind: int
    subtype: int
    at: int
    size: int

    def entry(self) -> bytes:
        return struct.pack(
            "<HBBII16sI", 0x50AA, self.kind, self.subtype, self.at, self.size, self.label.encode(), 0
        )


def layout(flash_bytes: int) -> tuple[Partition, ...]:
    """The partitions of a flash of that size: MicroPython, two slots for the hub's software, the rest data.

    The rest is what readings wait in and keys are kept in: 1472 KiB of a 4 MiB flash, 5568 KiB of 8 MiB.
    """
    vfs_at = ROMFS_AT + 2 * SLOT_SIZE
    data_at = vfs_at + VFS_BYTES
    return (
        Partition("nvs", _DATA, 0x02, 0x9000, 0x6000),
        Partition("phy_init", _DATA, 0x01, 0xF000, 0x1000),
        Partition("factory", _APP, 0x00, 0x10000, ROMFS_AT - 0x10000),
        Partition("romfs", _DATA, 0x8F, ROMFS_AT, 2 * SLOT_SIZE),
        Partition("vfs", _DATA, 0x81, vfs_at, VFS_BYTES),
        Partition("data", _DATA, 0x83, data_at, flash_bytes - data_at),
    )


def binary(partitions: tuple[Partition, ...]) -> bytes:
    """The table as it stands in the flash at 0x8000, with its MD5 line."""
    entries = b"".join(partition.entry() for partition in partitions)
    check = b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries, usedforsecurity=False).digest()
    return (entries + check).ljust(TABLE_SIZE, b"\xff")
