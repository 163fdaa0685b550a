"""Chooses the slot that starts. On a board this file is /boot.py, outside the slots, and is never replaced.

So it does as little as can be and imports nothing that a slot holds: two state records written in turn, the
newest with a right CRC counts; a slot starts only when its image has the hash of its record. The slots' code
has this file too, as `firmware.boot`, for the form of the records. Who does what: docs/updates.md.

MicroPython's images mount the first slot at /rom before this file runs; nothing is imported from it.
"""

import sys

if __name__ == "__main__":
    sys.path[:] = [".frozen"]

import binascii
import hashlib
import struct

VERSION = 1  # of this file; a manifest says which it needs
TRIES = 3
WATCHDOG_MS = 120_000  # of an update on trial, from before its first line; it must feed from then on
RECOVERY = "meethub: no slot holds a whole release; flash this hub again over USB (make flash)"
_MAGIC = b"MHS1"
_HEAD = "<4sIBBBBII"
_SLOT = "<III32s"
_HEAD_SIZE, _SLOT_SIZE = 20, 44
_SIZE = _HEAD_SIZE + 2 * _SLOT_SIZE
EMPTY = (0, 0, 0, bytes(32))


class State:
    """What boot and updates tell each other.

    active: the slot last confirmed. pending: the other one is on trial, `tries` times started. minimum: no
    release below this sequence may be installed. failed: the sequence that was given up last, 0 for none.
    slots: (sequence, floor, size, SHA-256) of the verified image in each; EMPTY where there is none.
    """

    def __init__(self, slots: list[tuple[int, int, int, bytes]], minimum: int = 0) -> None:
        self.counter, self.active, self.pending, self.tries = 0, 0, 0, 0
        self.minimum, self.failed = minimum, 0
        self.slots = slots


def pack(state: State) -> bytes:
    """The 112 bytes of a state record: head, both slots, CRC-32."""
    four = (state.active, state.pending, state.tries, 0)
    data = struct.pack(_HEAD, _MAGIC, state.counter, *four, state.minimum, state.failed)
    for slot in state.slots:
        data += struct.pack(_SLOT, *slot)
    return data + struct.pack("<I", binascii.crc32(data))


def unpack(data: bytes) -> State | None:
    """The record; None when these bytes are none."""
    if len(data) != _SIZE + 4 or struct.pack("<I", binascii.crc32(data[:_SIZE])) != data[_SIZE:]:
        return None
    head = struct.unpack_from(_HEAD, data)
    if head[0] != _MAGIC or head[2] > 1 or head[3] > 1:
        return None
    state = State([struct.unpack_from(_SLOT, data, _HEAD_SIZE + at) for at in (0, _SLOT_SIZE)])
    state.counter, state.active, state.pending, state.tries = head[1], head[2], head[3], head[4]
    state.minimum, state.failed = head[6], head[7]
    return state


def load(folder: str) -> State | None:
    """The newest state record of this folder; None when there is none that can be read."""
    found = None
    for name in ("/st0", "/st1"):
        try:
            with open(folder + name, "rb") as file:
                state = unpack(file.read(_SIZE + 8))
        except OSError:
            continue
        if state is not None and (found is None or state.counter > found.counter):
            found = state
    return found


def store(folder: str, state: State) -> None:
    """Make this the newest record beside the one before it. OSError: that one still counts."""
    state.counter += 1
    try:
        with open(folder + ("/st1" if state.counter & 1 else "/st0"), "wb") as file:
            file.write(pack(state))
            file.flush()  # on littlefs this is the sync
    except OSError:
        state.counter -= 1
        raise


def whole(memory: memoryview, state: State, slot: int) -> bool:
    """Whether the slot holds the image of its record."""
    size, half = state.slots[slot][2], len(memory) // 2
    if not 0 < size <= half:
        return False
    image = memory[slot * half : slot * half + size]
    return hashlib.sha256(image).digest() == state.slots[slot][3]


def choose(memory: memoryview, folder: str) -> tuple[State, int] | None:
    """(state, slot to start); None when neither can be started.

    A trial is counted before it starts: where that cannot be written the active slot starts.
    """
    state = load(folder)
    if state is None:
        return None
    other = 1 - state.active
    if state.pending and state.tries < TRIES and whole(memory, state, other):
        state.tries += 1
        if _stored(folder, state):
            return state, other
    elif state.pending:
        _give_up(folder, state, other)
    if whole(memory, state, state.active):
        return state, state.active
    if state.pending or not whole(memory, state, other):
        return None
    state.active = other
    _stored(folder, state)
    return state, other


def _give_up(folder: str, state: State, slot: int) -> None:
    """The trial failed: this image never starts again, and its sequence is kept for the bridge."""
    state.failed, state.slots[slot] = state.slots[slot][0], EMPTY
    state.pending = state.tries = 0
    _stored(folder, state)


def _stored(folder: str, state: State) -> bool:
    try:
        store(folder, state)
    except OSError:
        return False
    return True


def start() -> int:
    """Mount the slot to start at /slot, let nothing else be imported, and say which it is."""
    import vfs

    try:
        vfs.umount("/rom")
    except OSError:
        pass  # no image in the first slot
    memory = memoryview(vfs.rom_ioctl(2, 0))
    chosen = choose(memory, "")
    while chosen is None:
        recover()
        chosen = choose(memory, "")
    state, slot = chosen
    half = len(memory) // 2
    vfs.mount(vfs.VfsRom(memory[slot * half : slot * half + state.slots[slot][2]]), "/slot")
    sys.path[:] = ["/slot", ".frozen"]
    if slot != state.active:
        import machine

        machine.WDT(timeout=WATCHDOG_MS)
    return slot


def recover() -> None:
    """One round of telling whoever looks: a line on the serial port, three short flashes of the lamp."""
    import time

    print(RECOVERY)
    for level in (1, 0, 1, 0, 1, 0):
        _lamp(level)
        time.sleep(0.2)
    time.sleep(2)


def _lamp(level: int) -> None:
    """The lamp that /lamp names: "2" a pin with a lamp, "48 rgb" a WS2812 (its 24 bits: green, red, blue)."""
    import machine

    try:
        with open("/lamp") as file:
            words = file.read(16).split()
        pin = machine.Pin(int(words[0]), machine.Pin.OUT)
    except (OSError, ValueError, IndexError):
        return
    if len(words) == 1:
        pin.value(level)
    else:
        machine.bitstream(pin, 0, (400, 850, 800, 450), bytes((0, 32 * level, 0)))


if __name__ == "__main__":
    SLOT = start()
    for _name in list(globals()):
        if _name not in ("SLOT", "VERSION") and _name[:2] != "__":
            del globals()[_name]
