"""The two slots of the flash, as the running release sees them. Which one starts is boot.py's affair.

The partition "romfs" holds two images of the same length, executed in place. Reading is through the mapped
memory (what is hashed is what will run), erasing and programming through the partition.
"""

import hashlib

from firmware.boot import EMPTY, State, load, store

try:
    from micropython import const
except ImportError:  # CPython

    def const(value: int) -> int:
        return value


BLOCK = const(4096)
_ERASE = const(6)
ROMFS, DATA, NVS = "romfs", "data", "nvs"
# littlefs as MicroPython's own `inisetup` makes it.
GEOMETRY = {"progsize": 32, "readsize": 32, "lookahead": 32}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class BlockDevice(Protocol):
        """What `esp32.Partition` offers."""

        def writeblocks(self, block: int, buf: bytes | bytearray | memoryview, offset: int) -> object: ...

        def ioctl(self, op: int, arg: int) -> int: ...


class Slots:
    """memory: both slots mapped. part: the same as blocks. running: the slot that this code came from.

    folder: of the state records. Writing raises OSError.
    """

    def __init__(self, memory: memoryview, part: "BlockDevice", running: int, folder: str = "") -> None:
        self._memory = memory
        self._part = part
        self._folder = folder
        self.running = running
        self.size = len(memory) // 2
        self.state = load(folder) or State([EMPTY, EMPTY])

    @property
    def on_trial(self) -> bool:
        """This release was started to be tried: it must confirm itself or the former one comes back."""
        return bool(self.state.pending) and self.running != self.state.active

    @property
    def sequence(self) -> int:
        """Of the release that runs; 0 when it came without one."""
        return self.state.slots[self.running][0]

    def facts(self) -> dict[str, int]:
        """For the hub's status: the release that runs, and the one that was tried and given up."""
        said = {"release": self.sequence}
        if self.state.failed:
            said["release-failed"] = self.state.failed
        return said

    def holds(self, block: int, size: int, digest: bytes) -> bool:
        """Whether the first `size` bytes of a block of the passive slot have this SHA-256."""
        return hashlib.sha256(self.passive(block * BLOCK, size)).digest() == digest

    def passive(self, at: int, size: int) -> memoryview:
        """Bytes of the passive slot."""
        start = (1 - self.running) * self.size + at
        return self._memory[start : start + size]

    def write(self, block: int, data: bytes | bytearray | memoryview) -> None:
        """One block of the passive slot."""
        number = (1 - self.running) * (self.size // BLOCK) + block
        self._part.ioctl(_ERASE, number)
        self._part.writeblocks(number, data, 0)

    def pend(self, sequence: int, floor: int, size: int, digest: bytes) -> None:
        """The passive slot holds this verified image: try it at the next start."""
        self.state.pending, self.state.tries, self.state.active = 1, 0, self.running
        self._set(1 - self.running, (sequence, floor, size, digest))

    def confirm(self) -> None:
        """The release on trial stays; releases below its floor never come back."""
        sequence, floor = self.state.slots[self.running][:2]
        state = self.state
        state.active, state.pending, state.tries = self.running, 0, 0
        state.minimum = max(state.minimum, floor)
        if state.failed <= sequence:
            state.failed = 0
        former = 1 - self.running
        self._set(former, EMPTY if state.slots[former][0] < state.minimum else state.slots[former])

    def _set(self, slot: int, entry: tuple[int, int, int, bytes]) -> None:
        """Durable or OSError; then what is remembered is what stands there."""
        self.state.slots[slot] = entry
        try:
            store(self._folder, self.state)
        except OSError:
            self.state = load(self._folder) or self.state
            raise


def confirm(slots: Slots, self_test: bool, state_seen: bool) -> bool:  # noqa: FBT001 (two facts)
    """Keep the release on trial once its self-test passed and the bridge answered; whether it was kept now.

    OSError when that cannot be written: ask again.
    """
    if not (slots.on_trial and self_test and state_seen):
        return False
    slots.confirm()
    return True


# The hardware: what a board has and a test gives otherwise (firmware/virtual/esp32.py).


def partition(label: str) -> "BlockDevice":
    """A data partition of the board by its label; OSError(ENODEV) without one."""
    import esp32

    found: list[BlockDevice] = esp32.Partition.find(esp32.Partition.TYPE_DATA, label=label)
    if not found:
        raise OSError(19)
    return found[0]


def of_board() -> Slots:
    """The slots of the board that runs this, started by boot.py, which left SLOT in `__main__`."""
    import vfs

    import __main__

    return Slots(memoryview(vfs.rom_ioctl(2, 0)), partition(ROMFS), __main__.SLOT)


def mount_data(point: str) -> None:
    """The partition of keys, settings and readings, as reset.py made it; OSError when it cannot be read."""
    import vfs

    vfs.mount(vfs.VfsLfs2(partition(DATA), **GEOMETRY), point)
