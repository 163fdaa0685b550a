"""One life of a whole board: its flash is a file, MicroPython mounts it as on an ESP32, and boot.py takes over.

micropython run_boot_board.py FLASH, with MEETHUB_BOARD naming a folder for the chip's registers. The flash is
written back after boot.py and at the end: a release that hangs can be killed, as a watchdog would.
The table of the partitions is update_bench's; /boot.py and /main.py are what the flash holds.
"""

import os
import sys
import time

import esp32
import faulty_flash
import machine
import vfs

BUILT_IN = (
    esp32,
    machine,
    os,
    time,
    vfs,
)  # in a board's own firmware; here files that cannot be reached later


def life(path):
    flash = faulty_flash.FaultyFlash(data=bytearray(open(path, "rb").read()))
    flash.blocks = len(flash.data) // flash.size
    words = sys.argv[2].split(",")
    table, at = [], 0
    for word in words:
        label, blocks = word.split(":")
        table.append((label, at, int(blocks)))
        at += int(blocks)
    esp32.use(flash, table)
    esp32.install_vfs()
    rom = sys.modules["vfs"].rom_ioctl(2, 0)
    vfs.umount("/")
    vfs.mount(vfs.VfsLfs2(esp32.Partition("vfs"), progsize=32, readsize=32, lookahead=32), "/")
    vfs.mount(vfs.VfsPosix(), "/host")
    sys.path[:] = ["", ".frozen", "/lib"]
    try:
        vfs.mount(vfs.VfsRom(rom), "/rom")
        sys.path.extend(["/rom", "/rom/lib"])
    except OSError:
        pass

    def keep():
        with open("/host" + path, "wb") as file:
            file.write(flash.data)

    for name in list(sys.modules):
        if name not in ("vfs", "machine", "esp32", "os", "time", "sys"):
            del sys.modules[name]
    sources = []
    for name in ("/boot.py", "/main.py"):
        with open(name) as file:
            sources.append(file.read())
    scope = globals()
    execute, printed, exited = exec, print, SystemExit
    for name in ("BUILT_IN", "life", "sys", "esp32", "faulty_flash", "machine", "os", "time", "vfs"):
        del scope[name]
    try:
        execute(sources[0], scope)
        keep()
        printed("slot", scope["SLOT"], "path", ",".join(__import__("sys").path))
        execute(sources[1], scope)
    except exited as error:
        printed("reset", error.args[0])
    finally:
        keep()


life(sys.argv[1])
