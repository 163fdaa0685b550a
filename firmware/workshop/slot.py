"""What a new board starts with: its first release in the first slot, and whose signature the next need."""

from dataclasses import dataclass
from pathlib import Path

from firmware.update_manifest import Keys
from firmware.workshop import build, release
from firmware.workshop.boards import Board
from firmware.workshop.image import SLOT_SIZE, first_state, listing, romfs

# On the board, beside /boot.py: the state of the slots, and the pinned keys.
STATE, PINNED = "st0", release.PINNED


@dataclass(frozen=True)
class FirstRelease:
    """image: of the first slot. state: /st0, which names it. pinned: /update-keys. sizes: of each .mpy."""

    image: bytes
    state: bytes
    pinned: bytes
    sizes: dict[Path, int]

    def slots(self) -> bytes:
        """Both slots of the partition; the second one is empty."""
        return self.image.ljust(2 * SLOT_SIZE, b"\xff")


def first_release(board: Board, keys: Path, folder: Path, sequence: int = 1) -> FirstRelease:
    """Compile for the board and sign with the release key in `keys`, both keys made there on first use."""
    if not (keys / release.RELEASE_KEY).exists():
        release.main(["--json", "keys", str(keys)])
    sizes = build.build(board.chip.architecture, folder, build.files())
    files = listing(folder)
    image = romfs(files)
    signing = release.signing_key(keys / release.RELEASE_KEY)
    hardware = board.key.replace("_", "-")
    signed = release.manifest(image, files, signing, sequence=sequence, floor=0, hardware=hardware)
    manifest = Keys(str(keys), release.verify, release.PINNED).manifest(signed)
    return FirstRelease(image, first_state(manifest), (keys / release.PINNED).read_bytes(), sizes)
