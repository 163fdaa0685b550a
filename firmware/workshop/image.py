"""The image of a slot: a ROMFS of a folder's files, always the same bytes for the same files."""

import hashlib
from pathlib import Path
from typing import Any

from mpremote.romfs import VfsRomWriter

from firmware import boot
from firmware.slots import BLOCK
from firmware.update_manifest import MAX_FILES, Manifest

SLOT_SIZE = 256 * 1024


class ImageError(Exception):
    """A folder that makes no image; the message says why."""


def listing(folder: Path) -> list[tuple[str, bytes]]:
    """(path, contents) of every file in the folder, in ascending order of paths; ImageError without any."""
    paths = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not _hidden(path)
    )
    if not 1 <= len(paths) <= MAX_FILES:
        raise ImageError(f"{folder}: {len(paths)} files, 1 to {MAX_FILES} make an image")
    return [(path, (folder / path).read_bytes()) for path in paths]


def _hidden(path: Path) -> bool:
    return "__pycache__" in path.parts or path.name.startswith(".")


def romfs(files: list[tuple[str, bytes]], most: int = SLOT_SIZE) -> bytes:
    """The image of these files; ImageError when it is larger than a slot."""
    make: Any = VfsRomWriter  # without annotations of its own
    writer = make()
    _folder(writer, files)
    image = bytes(writer.finalise())
    if len(image) > most:
        raise ImageError(f"{len(image)} bytes, a slot holds {most}")
    return image


def _folder(writer: Any, files: list[tuple[str, bytes]]) -> None:  # noqa: ANN401 (a VfsRomWriter)
    """The files of one folder and, in their place, the folders in it."""
    inner: dict[str, list[tuple[str, bytes]]] = {}
    for path, data in files:
        first, _, rest = path.partition("/")
        if rest:
            inner.setdefault(first, []).append((rest, data))
        else:
            writer.mkfile(first, data)
    for name, inside in inner.items():
        writer.opendir(name)
        _folder(writer, inside)
        writer.closedir()


def blocks(image: bytes) -> bytes:
    """The SHA-256 of each block, one after the other."""
    return b"".join(hashlib.sha256(image[at : at + BLOCK]).digest() for at in range(0, len(image), BLOCK))


def first_state(manifest: Manifest) -> bytes:
    """The state record of a new board whose first slot holds this release: its /st0."""
    first = (manifest.sequence, manifest.floor, manifest.size, manifest.digest)
    return boot.pack(boot.State([first, boot.EMPTY], manifest.floor))
