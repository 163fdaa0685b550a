"""A littlefs on a virtual flash chip of the size that a board with 4 MiB leaves for files."""

import os

import vfs
from faulty_flash import FaultyFlash

BLOCKS = 384
PARAMETERS = {"progsize": 32, "readsize": 32, "lookahead": 32}
MOUNT = "/flash"


def formatted(blocks=BLOCKS):
    flash = FaultyFlash(blocks=blocks)
    vfs.VfsLfs2.mkfs(flash.part(0, blocks), **PARAMETERS)
    return flash


def mounted(flash, at=MOUNT):
    """The folder; what was mounted there before is let go of."""
    try:
        vfs.umount(at)
    except OSError:
        pass
    vfs.mount(vfs.VfsLfs2(flash.part(0, flash.blocks), **PARAMETERS), at)
    return at + "/outbox"


def unmount(at=MOUNT):
    os.chdir("/")
    vfs.umount(at)
