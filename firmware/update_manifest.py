"""What a signed manifest of a release says, and who may sign it. All is checked before any download.

A manifest is a COSE_Sign1 by the release key, external_aad "meethub/update|release", of the array
[1, sequence, floor, hardware, boot, size, SHA-256 of the image, SHA-256 of each 4096-byte block of it,
[[path, size, SHA-256], …]]. A rotation is one by the root key, external_aad "meethub/update|rotation", of
[1, number, the new release key]. docs/updates.md says what each field is for.
"""

import hashlib

from firmware import files
from firmware.slots import BLOCK
from gateway.wire import cose, shape
from gateway.wire.cbor import CborError, decode
from gateway.wire.errors import MeethubError, WireError
from gateway.wire.measurement import key_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Verify = Callable[[bytes, bytes, bytes], bool]

RELEASE, ROTATION = b"meethub/update|release", b"meethub/update|rotation"
FAMILY = "application/meethub-update"
FORMAT = 1
MAX_MANIFEST = 32 * 1024
MAX_FILES = 300
MAX_SEQUENCE = 0xFFFFFFFF
DIGEST = 32
KEYS_FILE, ROTATION_FILE = "update-keys", "/rotation"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."


class UpdateError(MeethubError):
    """An update that this hub does not take; nothing of what runs has changed.

    Codes: update-form, update-key, update-signature, update-hardware, update-boot, update-old,
    update-too-large, update-path, update-source, update-damaged, update-not-stored.
    """


class Manifest:
    """A release as its signed manifest tells it; UpdateError for what the form does not allow."""

    def __init__(self, payload: bytes) -> None:
        try:
            row = shape.array(decode(payload), 9)
            shape.integer(row[0], FORMAT, FORMAT)
            self.sequence = shape.integer(row[1], 1, MAX_SEQUENCE)
            self.floor = shape.integer(row[2], 0, self.sequence)
            self.hardware = shape.word(row[3])
            self.boot = shape.integer(row[4], 1, 255)
            self.size = shape.integer(row[5], 1)
            self.digest = shape.octets(row[6], DIGEST)
            self.blocks = shape.octets(row[7])
            listed = shape.array(row[8])
        except (CborError, WireError) as error:
            raise UpdateError("update-form", str(error)) from None
        self.files = _files(listed, self.size)

    def fits(self, slot: int) -> None:
        """UpdateError when the image is larger than a slot or its blocks are not all of it."""
        if self.size > slot:
            raise UpdateError("update-too-large", "%d bytes" % self.size)
        if len(self.blocks) != DIGEST * -(-self.size // BLOCK):
            raise UpdateError("update-form", "blocks")

    def block(self, number: int) -> tuple[int, bytes]:
        """Size and SHA-256 of a block of the image."""
        size = min(BLOCK, self.size - number * BLOCK)
        return size, self.blocks[number * DIGEST : (number + 1) * DIGEST]


def _files(listed: list[object], size: int) -> list[tuple[str, int, bytes]]:
    """(path, size, SHA-256) in ascending order of paths, each once."""
    if not 1 <= len(listed) <= MAX_FILES:
        raise UpdateError("update-form", "%d files" % len(listed))
    found: list[tuple[str, int, bytes]] = []
    for entry in listed:
        try:
            name, length, digest = shape.array(entry, 3)
            path = shape.text(name)
            found.append((path, shape.integer(length, 0, size), shape.octets(digest, DIGEST)))
        except WireError as error:
            raise UpdateError("update-form", str(error)) from None
        if not _is_path(path) or (len(found) > 1 and path <= found[-2][0]):
            raise UpdateError("update-path")
    return found


def _is_path(path: str) -> bool:
    """Relative, without "." or "..", of plain letters."""
    parts = path.split("/")
    return len(path) <= 128 and all([part not in ("", ".", "..") and _plain(part) for part in parts])


def _plain(part: str) -> bool:
    return all([letter in _LETTERS for letter in part])


class Keys:
    """The pinned keys of a hub: 32 bytes of root and 32 of release in /update-keys, and the last rotation."""

    def __init__(self, folder: str, verify: "Verify", name: str = KEYS_FILE) -> None:
        self._folder = folder
        self._verify = verify
        pinned = files.read(folder + "/" + name) or b""
        if len(pinned) != 64:
            raise UpdateError("update-key", "none pinned")
        self._root, self.release, self.rotated = pinned[:32], pinned[32:], 0
        stored = files.read(folder + ROTATION_FILE)
        if stored is not None:
            self.see(stored)

    def rotate(self, raw: bytes) -> bool:
        """Take a rotation newer than the last; whether it was. UpdateError when root did not sign it."""
        if self._rotation(raw)[0] <= self.rotated:
            return False
        try:
            files.write_whole(self._folder + ROTATION_FILE, raw)
        except OSError:
            raise UpdateError("update-not-stored", "rotation") from None
        self.see(raw)
        return True

    def see(self, raw: bytes) -> None:
        """The release key as a rotation makes it, without keeping that."""
        self.rotated, self.release = self._rotation(raw)

    def manifest(self, raw: bytes) -> Manifest:
        """What the release key signed; UpdateError otherwise."""
        return Manifest(self._opened(raw, self.release, RELEASE))

    def _rotation(self, raw: bytes) -> tuple[int, bytes]:
        payload = self._opened(raw, self._root, ROTATION)
        try:
            row = shape.array(decode(payload), 3)
            shape.integer(row[0], FORMAT, FORMAT)
            return shape.integer(row[1], 1, MAX_SEQUENCE), shape.octets(row[2], 32)
        except (CborError, WireError) as error:
            raise UpdateError("update-form", str(error)) from None

    def _opened(self, raw: bytes, key: bytes, kind: bytes) -> bytes:
        try:
            part = cose.unpack(raw)
            version, kid = cose.check_profile(part, FAMILY)
        except WireError as error:
            raise UpdateError("update-form", error.code) from None
        if version != FORMAT:
            raise UpdateError("update-form", "version %d" % version)
        if kid != key_id(key):
            raise UpdateError("update-key", "another key")
        if not self._verify(key, part.signature, part.to_be_signed(kind)):
            raise UpdateError("update-signature")
        return part.payload


def check_files(rom: object, manifest: Manifest) -> None:
    """The image holds exactly the files of the manifest; UpdateError("update-damaged") otherwise.

    rom: the image as `vfs.VfsRom`.
    """
    there = sorted(_walk(rom, ""))
    if there != [path for path, _, _ in manifest.files]:
        raise UpdateError("update-damaged", "files")
    for path, size, digest in manifest.files:
        with rom.open("/" + path, "rb") as file:  # type: ignore[attr-defined]
            data = memoryview(file)
            if len(data) != size or hashlib.sha256(data).digest() != digest:
                raise UpdateError("update-damaged", "file")


def _walk(rom: object, folder: str) -> list[str]:
    found = []
    for entry in rom.ilistdir("/" + folder):  # type: ignore[attr-defined]
        path = folder + "/" + entry[0] if folder else entry[0]
        if entry[1] & 0x4000:
            found.extend(_walk(rom, path))
        else:
            found.append(path)
    return found
