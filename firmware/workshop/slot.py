"""What a new board starts with: its first release in the first slot, and the files beside boot.py."""

from dataclasses import dataclass
from pathlib import Path

from firmware.update_manifest import Keys
from firmware.workshop import build, release
from firmware.workshop.boards import Board
from firmware.workshop.image import SLOT_SIZE, first_state, listing, romfs

ROOM = build.ROOT / "firmware"


@dataclass(frozen=True)
class FirstRelease:
    """image: of the first slot. files: of the partition "vfs", by name. sizes: of each .mpy."""

    image: bytes
    files: dict[str, bytes]
    sizes: dict[Path, int]

    def slots(self) -> bytes:
        """Both slots of the partition; the second one is empty."""
        return self.image.ljust(2 * SLOT_SIZE, b"\xff")


def first_release(board: Board, keys: Path, folder: Path, sequence: int = 1) -> FirstRelease:
    """Compile for the board and sign with the release key in `keys`, both keys made there on first use."""
    if not (keys / release.RELEASE_KEY).exists():
        release.new_keys(keys)
    sizes = build.release(board.chip.architecture, folder)
    files = listing(folder)
    image = romfs(files)
    signing = release.signing_key(keys / release.RELEASE_KEY)
    hardware = board.hardware
    signed = release.manifest(image, files, signing, sequence=sequence, floor=0, hardware=hardware)
    manifest = Keys(str(keys), release.verify, release.PINNED).manifest(signed)
    beside = {"st0": first_state(manifest), release.PINNED: (keys / release.PINNED).read_bytes()}
    return FirstRelease(image, {**_unchanging(board), **beside}, sizes)


def _unchanging(board: Board) -> dict[str, bytes]:
    """What never changes: which board it is, where its lamp is, what starts; and the data are to be made."""
    kind, pin = board.facts["light"]["kind"], board.facts["light"]["pin"]
    return {
        "boot.py": (ROOM / "boot.py").read_bytes(),
        "main.py": (ROOM / "start.py").read_bytes(),
        "board.txt": board.key.encode(),
        "lamp": f"{pin}{' rgb' if kind == 'pixel' else ''}".encode(),
        "resetting": b"1",
    }
