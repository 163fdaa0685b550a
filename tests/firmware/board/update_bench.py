"""A board's flash for tests: partitions, releases signed here, and its lives from one power cut to the next."""

import asyncio
import hashlib

import esp32
import vfs
from faulty_flash import FaultyFlash

from firmware import boot
from firmware.crypto import ed25519
from firmware.slots import BLOCK, Slots
from firmware.update import BLOCKS, IMAGE, LIST, MANIFEST, ROTATION, Updater
from firmware.update_manifest import RELEASE as RELEASE_AAD
from firmware.update_manifest import ROTATION as ROTATION_AAD
from firmware.update_manifest import Keys, UpdateError
from gateway.wire import cose
from gateway.wire.cbor import encode
from gateway.wire.measurement import key_id

HARDWARE = "esp32s3"
SLOT_BLOCKS, VFS_BLOCKS, DATA_BLOCKS, NVS_BLOCKS = 6, 8, 16, 2
SLOT = SLOT_BLOCKS * BLOCK
TABLE = (
    ("nvs", 0, NVS_BLOCKS),
    ("romfs", NVS_BLOCKS, 2 * SLOT_BLOCKS),
    ("vfs", NVS_BLOCKS + 2 * SLOT_BLOCKS, VFS_BLOCKS),
    ("data", NVS_BLOCKS + 2 * SLOT_BLOCKS + VFS_BLOCKS, DATA_BLOCKS),
)
CHIP_BLOCKS = NVS_BLOCKS + 2 * SLOT_BLOCKS + VFS_BLOCKS + DATA_BLOCKS
LFS = {"progsize": 32, "readsize": 32, "lookahead": 32}
FOLDER = "/boot"
ROOT = ed25519.secret(bytes(range(32)))
RELEASE = ed25519.secret(bytes(range(1, 33)))
OTHER = ed25519.secret(bytes(range(2, 34)))


def uint(value):
    out = bytes((value & 127,))
    while value > 127:
        value >>= 7
        out = bytes((128 | value & 127,)) + out
    return out


def record(kind, payload):
    return uint(kind) + uint(len(payload)) + payload


def romfs(files):
    """The image of (name, bytes) in its root; the form is that of mpremote.romfs."""
    inside = b""
    for name, data in files:
        inside += record(5, uint(len(name)) + name.encode() + record(2, data))
    size = uint(len(inside))
    if (3 + len(size) + len(inside)) & 1:
        size = b"\x80" + size
    return b"\xd2\xcd\x31" + size + inside


def pseudo(length, seed):
    data, block = b"", hashlib.sha256(b"%d" % seed).digest()
    while len(data) < length:
        data += block
        block = hashlib.sha256(block).digest()
    return data[:length]


def signed(key, kind, payload, content="application/meethub-update;v=1"):
    protected = cose.protected_header(content, key_id(key[2]))
    return cose.pack(protected, payload, ed25519.sign(key, cose.sig_structure(protected, kind, payload)))


class Offer:
    """A release that a source offers; its fields, blocks and list can be bent before `raw` signs them."""

    def __init__(self, sequence, size=3 * BLOCK + 100, floor=0):
        contents = [("a.mpy", pseudo(size - 200, sequence)), ("b.mpy", b"%d" % sequence)]
        self.image = image = romfs(contents)
        hashes = [hashlib.sha256(image[at : at + BLOCK]).digest() for at in range(0, len(image), BLOCK)]
        self.blocks = b"".join(hashes)
        self.files = [[name, len(data), hashlib.sha256(data).digest()] for name, data in contents]
        self.row = [1, sequence, floor, HARDWARE, 1, len(image), hashlib.sha256(image).digest(), None, None]
        self.sequence = sequence

    def listed(self):
        return b"".join([encode(file) for file in self.files])

    def entry(self):
        return (self.row[1], self.row[2], self.row[5], self.row[6])

    def raw(self, key=RELEASE):
        row = list(self.row)
        for place, data in ((7, self.blocks), (8, self.listed())):
            if row[place] is None:
                row[place] = hashlib.sha256(data).digest()
        return signed(key, RELEASE_AAD, encode(row))


class Source:
    """Serves bytes; counts what was asked of the image."""

    def __init__(self, offer, raw=None, rotation=b"", step=1500):
        self.files = {IMAGE: offer.image, BLOCKS: offer.blocks, LIST: offer.listed(), ROTATION: rotation}
        self.files[MANIFEST] = raw or offer.raw()
        self.step, self.asked, self.gone_after = step, 0, -1

    async def read_at(self, name, offset, buffer):
        if name == IMAGE:
            if self.asked == self.gone_after:
                raise UpdateError("update-source", "gone")
            self.asked += 1
        data = self.files[name][offset : offset + min(self.step, len(buffer))]
        buffer[: len(data)] = data
        return len(data)


def rotation(number, key=OTHER, root=ROOT):
    return signed(root, ROTATION_AAD, encode([1, number, key[2]]))


class Board:
    """A board with release 1 confirmed in slot 0 and its keys pinned, powered up."""

    def __init__(self, first=None):
        self.flash = FaultyFlash(CHIP_BLOCKS)
        self.first = first or Offer(1)
        self.romfs_at = NVS_BLOCKS * BLOCK
        esp32.use(self.flash, TABLE)
        vfs.VfsLfs2.mkfs(esp32.Partition("vfs"), **LFS)
        vfs.VfsLfs2.mkfs(esp32.Partition("data"), **LFS)
        vfs.mount(vfs.VfsLfs2(esp32.Partition("data"), **LFS), "/planted")
        with open("/planted/000001.seg", "wb") as file:
            file.write(pseudo(9000, 7))
        vfs.umount("/planted")
        romfs_part = esp32.Partition("romfs")
        romfs_part.writeblocks(0, self.first.image)
        self.on()
        with open(FOLDER + "/update-keys", "wb") as file:
            file.write(ROOT[2] + RELEASE[2])
        boot.store(FOLDER, boot.State([self.first.entry(), boot.EMPTY]))
        self.off()

    def on(self, cut=-1, seed=0):
        """Power up; the file system of boot.py's folder is there."""
        self.off()
        self.flash.power_up(cut, seed)
        esp32.use(self.flash, TABLE)
        vfs.mount(vfs.VfsLfs2(esp32.Partition("vfs"), **LFS), FOLDER)

    def off(self):
        for _, point in vfs.mount():
            if point == FOLDER:
                vfs.umount(FOLDER)

    def start(self, cut=-1, seed=0):
        """Power up and let boot.py choose: the slot, or None."""
        self.on(cut, seed)
        self.memory = esp32.rom_ioctl(2, 0)
        chosen = boot.choose(self.memory, FOLDER)
        self.slot = None if chosen is None else chosen[1]
        return self.slot

    def slots(self):
        return Slots(self.memory, esp32.Partition("romfs"), self.slot, FOLDER)

    def updater(self, source, verify=ed25519.verify, hardware=HARDWARE, version=boot.VERSION):
        return Updater(self.slots(), source, Keys(FOLDER, verify), hardware, version)

    def update(self, source, **how):
        return asyncio.run(self.updater(source, **how).check())

    def runs(self, *offers):
        """Which of these releases is whole in the slot that was chosen; None for none of them."""
        for offer in offers:
            at = self.slot * SLOT
            if self.memory[at : at + len(offer.image)] == offer.image:
                return offer.sequence
        return None


def code_of(call, *args, **named):
    """The code of the UpdateError that a call ends with; None without one."""
    try:
        call(*args, **named)
    except UpdateError as error:
        return error.code
    return None


def dose():
    import os

    return int(os.getenv("MEETHUB_DOSE") or "1")
