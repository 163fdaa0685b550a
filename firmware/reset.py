"""Factory reset: nothing of a reading, a key or a Wi-Fi secret stays, whenever the power fails.

A mark is written first, beside boot.py. While it is there every start erases the data partition and the
chip's own storage (nvs) block by block, files or not, and makes an empty file system; then the mark goes.
A new board is delivered with the mark. What boot.py's partition holds stays: it has no secret of the home.
"""

import os

from firmware import files
from firmware.crash import FILE as CRASH_FILE
from firmware.slots import DATA, GEOMETRY, NVS, partition

try:
    from micropython import const
except ImportError:  # CPython

    def const(value: int) -> int:
        return value


MARK = "/resetting"
_COUNT, _ERASE = const(4), const(6)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.slots import BlockDevice


def request(folder: str = "") -> None:
    """From here on the next start resets, whatever the power does. OSError when it cannot be written."""
    files.write_whole(folder + MARK, b"1")


def is_due(folder: str = "") -> bool:
    try:
        os.stat(folder + MARK)
    except OSError:
        return False
    return True


def resume(
    data: "BlockDevice", others: "list[BlockDevice]", fed: "Callable[[], None]", folder: str = ""
) -> bool:
    """Carry out a reset that is due, from its beginning; whether there was one.

    data: becomes an empty file system. others: are left erased. fed: called after every block, so that the
    watchdog waits. A board starts again after it: the chip's own code may still hold what was in nvs.
    """
    if not is_due(folder):
        return False
    for part in [data] + others:
        _erase(part, fed)
    import vfs

    vfs.VfsLfs2.mkfs(data, **GEOMETRY)
    for name in (CRASH_FILE, MARK):
        if name[1:] in os.listdir(folder or "/"):
            os.remove(folder + name)
    return True


def _erase(part: "BlockDevice", fed: "Callable[[], None]") -> None:
    """Every block: one that looks empty may have lost its power while it was erased."""
    for block in range(part.ioctl(_COUNT, 0)):
        part.ioctl(_ERASE, block)
        fed()


def of_board(fed: "Callable[[], None]") -> None:
    """Reset this board if that is due, and start it again; otherwise nothing."""
    if is_due() and resume(partition(DATA), [partition(NVS)], fed):
        import machine

        machine.reset()
