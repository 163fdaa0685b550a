"""Opens an outbox in a flash that stands in a file, in little memory: how long, what it holds then, and is it whole.

MICROPYPATH=firmware/virtual:.:.frozen micropython -X heapsize=256k tests/firmware/board/run_outbox_open.py IMAGE
"""

import gc
import sys
import time

import vfs
from outbox_story import whole

from firmware.outbox import Outbox
from gateway.hub.events import log
from gateway.wire.envelope import check_complete, open_message

BLOCK = 4096

log.send_to(lambda *_: None)


class Image:
    """A block device in a file of the computer; for reading and a little writing."""

    def __init__(self, path):
        self.file = open(path, "r+b")
        self.blocks = self.file.seek(0, 2) // BLOCK

    def readblocks(self, block, buf, offset=0):
        self.file.seek(block * BLOCK + offset)
        self.file.readinto(buf)

    def writeblocks(self, block, buf, offset=0):
        self.file.seek(block * BLOCK + offset)
        self.file.write(buf)

    def ioctl(self, op, arg):
        if op == 6:
            self.writeblocks(arg, b"\xff" * BLOCK)
        return {4: self.blocks, 5: BLOCK}.get(op, 0)


def main():
    vfs.mount(vfs.VfsLfs2(Image(sys.argv[1]), progsize=32, readsize=32, lookahead=32), "/flash")
    gc.collect()
    before, began = gc.mem_alloc(), time.ticks_ms()
    outbox = Outbox("/flash/outbox", 1456 << 10)
    took = time.ticks_diff(time.ticks_ms(), began)
    gc.collect()
    print("opened in %d ms, holds %d bytes, %d free" % (took, gc.mem_alloc() - before, gc.mem_free()))
    count = 0
    for message in outbox.to_send(100000, set()):
        sealed, parts = open_message(whole(message.raw))
        check_complete(sealed, parts)
        count += len([part for part in parts if part is not None])
    print(
        "%d readings whole, captured %d, damage %d"
        % (count, outbox.counts()["captured"], len(outbox.unreported_damage()))
    )


main()
