"""The power button of the virtual board: its flash, and its partition "vfs" as the root of all files."""

import os

import esp32
import vfs
from chip_file import ChipFile

PC = "/pc"
_GEOMETRY = {"progsize": 32, "readsize": 32, "lookahead": 32}


def on(chip):
    """From here on `open` opens the board's files, and this computer's below /pc."""
    esp32.use(ChipFile(chip), _partitions())
    esp32.Partition("romfs").part.memory()  # while /proc is in its place
    files = _files(esp32.Partition("vfs"))
    vfs.umount("/")
    vfs.mount(files, "/")
    vfs.mount(vfs.VfsPosix(), PC)
    os.chdir("/")
    esp32.install_vfs()


def put(name, source):
    """A file of this computer into the partition "vfs"."""
    with open(PC + source, "rb") as file, open("/" + name, "wb") as kept:
        kept.write(file.read())


def _partitions():
    """The table in MEETHUB_PARTITIONS: label:first:blocks,…"""
    rows = [row.split(":") for row in os.getenv("MEETHUB_PARTITIONS").split(",")]
    return tuple([(label, int(first), int(blocks)) for label, first, blocks in rows])


def _files(part):
    """Made where it is empty, as MicroPython does."""
    try:
        return vfs.VfsLfs2(part, **_GEOMETRY)
    except OSError:
        vfs.VfsLfs2.mkfs(part, **_GEOMETRY)
        return vfs.VfsLfs2(part, **_GEOMETRY)
