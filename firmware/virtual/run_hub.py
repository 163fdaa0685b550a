"""A board on this computer, from power-on: its flash chip in a file, its software executed out of it.

    micropython -X heapsize=256k run_hub.py ROM CHIP put NAME FILE     as mpremote copies a file
    micropython -X heapsize=256k run_hub.py ROM CHIP do FILE           as mpremote runs lines
    micropython -X heapsize=256k run_hub.py ROM CHIP run               as when it is plugged in

ROM: an image of firmware/virtual, which stands for what is in the chip beside our software: like that it
takes no heap. The partitions stand where the workshop puts them (power.py). It ends with status 3 where a
board would start again.
"""

import os
import sys

import vfs

sys.path[:] = [sys.argv[0].rsplit("/", 1)[0], ".frozen"]
from mapped import mapped  # noqa: E402 (of this folder)

# What boot.py leaves of a module's names begins with two underscores.
__rom = mapped(os.stat(sys.argv[1])[6])
with open(sys.argv[1], "rb") as __file:
    __file.readinto(__rom)
vfs.mount(vfs.VfsRom(__rom), "/virtual")
sys.path[:] = ["/virtual", ".frozen"]
import power  # noqa: E402 (of the image)

__words = sys.argv[3:]
power.on(sys.argv[2])
if __words[0] == "put":
    power.put(__words[1], __words[2])
    raise SystemExit
with open("/boot.py") as __file:
    exec(__file.read())
import sys  # noqa: E402 (boot.py took it away)

sys.path.append("/virtual")
if __words[0] == "do":
    with open("/pc" + __words[1]) as __file:
        exec(__file.read())
else:
    with open("/main.py") as __file:
        exec(__file.read())
