"""The hub on this computer: its flash in files, its software executed from memory outside the heap.

    micropython -X heapsize=256k firmware/virtual/run_hub.py FOLDER request HUB
    micropython … run_hub.py FOLDER install ANSWER SETTINGS
    micropython … run_hub.py FOLDER put NAME FILE
    micropython … run_hub.py FOLDER devices
    micropython … run_hub.py FOLDER run

FOLDER/slots.bin holds the two slots of the partition "romfs", FOLDER/data.bin the partition "vfs" (littlefs),
made when it is not there. The hub's own files are below /flash.
"""

import json
import os
import sys

import vfs

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path[:] = [HERE, ".frozen"]

from file_flash import FileFlash  # noqa: E402 (of this folder)
from mapped import mapped  # noqa: E402

ROOT = "/flash"
DATA_BLOCKS = (4096 - 2048 - 512) // 4  # of a board with 4 MiB


def data(path):
    """The file system of readings, keys and settings."""
    flash = FileFlash(path, DATA_BLOCKS)
    try:
        vfs.mount(vfs.VfsLfs2(flash), ROOT)
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), ROOT)


def slots(path):
    """Both slots as a board has them: mapped, not in the heap."""
    memory = mapped(os.stat(path)[6])
    with open(path, "rb") as file:
        file.readinto(memory)
    return memory


def start(memory):
    """As /boot.py does: the slot whose image is whole, and nothing else to import from."""
    sys.path[:] = [HERE, HERE.rsplit("/", 2)[0] or ".", ".frozen"]
    from firmware import boot

    chosen = boot.choose(memory, ROOT)
    if chosen is None:
        raise SystemExit(boot.RECOVERY)
    state, slot = chosen
    half = len(memory) // 2
    for name in list(sys.modules):
        if name.startswith("firmware"):
            del sys.modules[name]
    del boot
    vfs.mount(vfs.VfsRom(memory[slot * half : slot * half + state.slots[slot][2]]), "/slot")
    sys.path[:] = ["/slot", HERE, ".frozen"]
    return slot


def put(path, source):
    """A file of the computer into the hub's flash, as mpremote does with a board."""
    with open(source, "rb") as file, open(path, "wb") as kept:
        kept.write(file.read())


def main():
    folder, what = sys.argv[1:3]
    data(folder + "/data.bin")
    if what == "put":
        put(ROOT + "/" + sys.argv[3], sys.argv[4])
        return
    memory = slots(folder + "/slots.bin")
    global SLOT  # noqa: PLW0603 (where firmware.slots looks for it)
    SLOT = start(memory)
    if what == "request":
        from firmware import enrolment

        print(json.dumps(enrolment.request(ROOT, sys.argv[3])))
    elif what == "devices":
        from firmware.hub import identities

        print(json.dumps(identities(ROOT)))
    elif what == "install":
        from firmware import enrolment

        with open(sys.argv[3]) as answer, open(sys.argv[4]) as settings:
            enrolment.install(ROOT, answer.read(), settings.read())
    else:
        from firmware.main import main as run

        run(ROOT)


main()
