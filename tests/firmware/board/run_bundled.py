"""Runs tests with a release that lies in a ROMFS image and is executed there, as on a board.

Words: the image, a folder, then modules in it, of which each test_* is called.
"""

import os
import sys

import vfs

sys.path[:] = ["firmware/virtual", ".frozen"]
from mapped import mapped  # noqa: E402 (from the folder just named)

image = mapped(os.stat(sys.argv[1])[6])
with open(sys.argv[1], "rb") as file:
    file.readinto(image)
vfs.mount(vfs.VfsRom(image), "/rom")
sys.path[:] = ["/rom", sys.argv[2], "firmware/virtual", ".frozen"]
passed = 0
for name in sys.argv[3:]:
    module = __import__(name)
    for test in sorted(dir(module)):
        if test.startswith("test_"):
            getattr(module, test)()
            passed += 1
print(passed, "passed")
