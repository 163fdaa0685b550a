"""Runs a module of a ROMFS image from where it lies, as a board runs what is in its flash: bytecode is not heap.

Words: the image, the module, and what the module shall find in sys.argv.
"""

import gc
import os
import sys

import vfs

sys.path[:] = ["firmware/virtual", ".frozen"]
from mapped import mapped  # noqa: E402 (from the folder just named)

image = mapped(os.stat(sys.argv[1])[6])
with open(sys.argv[1], "rb") as file:
    file.readinto(image)
vfs.mount(vfs.VfsRom(image), "/rom")
sys.path[:] = ["/rom", ".frozen"]
gc.threshold(16_384)  # a heap that is collected only when it is full falls into pieces
del sys.argv[0:2]
__import__(sys.argv[0])
