"""Fetches a newer release into the passive slot, block by block, and tells boot.py to try it.

Hubs take no commands: a hub asks a source that was set when it was provisioned. Every block is judged by the
hash that the signed manifest gives before it is written, and not fetched when the slot holds it already: so a
download goes on where it stopped, and wrong, slow or endless data costs a block and never a running release.
"""

import asyncio
import hashlib

from firmware.slots import BLOCK, Slots
from firmware.update_manifest import (
    DIGEST,
    MAX_LIST,
    MAX_MANIFEST,
    Keys,
    Manifest,
    UpdateError,
    check_files,
    each_file,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Protocol

    from gateway.hub.given import T

    class Source(Protocol):
        """Where releases come from. UpdateError("update-source") when it cannot be asked."""

        async def read_at(self, name: str, offset: int, buffer: memoryview) -> int:
            """How many bytes came into the buffer; 0 behind the end or without such a file."""
            ...


MANIFEST, ROTATION = "release.manifest", "release.rotation"
IMAGE, BLOCKS, LIST = "release.image", "release.blocks", "release.files"
MAX_ROTATION = 512
BLOCK_MS = 60_000  # for a block, a manifest or a rotation; 64 blocks are a slot
_STEP = 1024


class Updater:
    """hardware: as manifests name it. boot: the version of the board's boot.py."""

    def __init__(self, slots: Slots, source: "Source", keys: Keys, hardware: str, boot: int) -> None:
        self._slots = slots
        self._source = source
        self._keys = keys
        self._hardware = hardware
        self._boot = boot
        self._ready = False

    async def check(self) -> bool:
        """Ask once. True: a newer release is ready to be tried, start the board again when it is quiet.

        UpdateError when what is offered cannot be taken; what runs goes on and the next call tries again.
        """
        if self._slots.state.pending:  # it runs on trial, or boot.py could not count one
            return self._ready
        rotation = await self._small(ROTATION, MAX_ROTATION)
        if rotation:
            self._keys.rotate(bytes(rotation))
        raw = await self._small(MANIFEST, MAX_MANIFEST)
        if not raw:
            return False
        manifest = self._keys.manifest(bytes(raw))
        if not self._is_wanted(manifest):
            return False
        await self._list(manifest)
        await self._download(manifest)
        self._install(manifest, await self._list(manifest))
        self._ready = True
        return True

    def _is_wanted(self, manifest: Manifest) -> bool:
        """False: it is here or was given up. UpdateError: it must not come here at all."""
        slots = self._slots
        if manifest.hardware != self._hardware:
            raise UpdateError("update-hardware", manifest.hardware)
        if manifest.boot > self._boot:
            raise UpdateError("update-boot", "%d" % manifest.boot)
        if manifest.sequence < slots.sequence or manifest.sequence < slots.state.minimum:
            raise UpdateError("update-old", "%d" % manifest.sequence)
        if manifest.size > slots.size:
            raise UpdateError("update-too-large", "%d bytes" % manifest.size)
        return manifest.sequence not in (slots.sequence, slots.state.failed)

    async def _list(self, manifest: Manifest) -> bytes:
        """The checked list of files; asked for twice, so that it takes no memory during the download."""
        data = await self._signed(LIST, MAX_LIST, manifest.list_digest)
        listed: bytes = data  # type: ignore[assignment] # only read, and too large for a copy
        if not each_file(listed, manifest.size, None):
            raise UpdateError("update-form", "no files")
        return listed

    async def _signed(self, name: str, most: int, digest: bytes) -> bytearray:
        """A whole file with this SHA-256."""
        data = await self._small(name, most)
        if hashlib.sha256(data).digest() != digest:
            raise UpdateError("update-damaged", name)
        return data

    async def _small(self, name: str, most: int) -> bytearray:
        """A whole file of at most so many bytes; empty when there is none."""
        return await _in_time(self._all(name, most))

    async def _all(self, name: str, most: int) -> bytearray:
        data = bytearray()
        step = bytearray(_STEP)
        while True:
            count = await self._source.read_at(name, len(data), memoryview(step))
            if not count:
                return data
            if len(data) + count > most:
                raise UpdateError("update-too-large", name)
            data.extend(memoryview(step)[:count])

    async def _download(self, manifest: Manifest) -> None:
        blocks = await self._signed(BLOCKS, DIGEST * manifest.count, manifest.blocks_digest)
        if len(blocks) != DIGEST * manifest.count:
            raise UpdateError("update-form", "blocks")
        buffer = bytearray(BLOCK)
        for number in range(manifest.count):
            part = memoryview(buffer)[: manifest.block_size(number)]
            digest = bytes(blocks[number * DIGEST : (number + 1) * DIGEST])
            if not self._slots.holds(number, len(part), digest):
                await _in_time(self._fill(number * BLOCK, part))
                self._write(number, part, digest)
            await asyncio.sleep(0)

    async def _fill(self, offset: int, part: memoryview) -> None:
        at = 0
        while at < len(part):
            count = await self._source.read_at(IMAGE, offset + at, part[at:])
            if not count:
                raise UpdateError("update-source", "ends early")
            at += count

    def _write(self, number: int, part: memoryview, digest: bytes) -> None:
        if hashlib.sha256(part).digest() != digest:
            raise UpdateError("update-damaged", "block %d" % number)
        try:
            self._slots.write(number, part)
        except OSError:
            raise UpdateError("update-not-stored", "block %d" % number) from None
        if not self._slots.holds(number, len(part), digest):
            raise UpdateError("update-not-stored", "block %d differs" % number)

    def _install(self, manifest: Manifest, listed: bytes) -> None:
        import vfs

        image = self._slots.passive(0, manifest.size)
        if hashlib.sha256(image).digest() != manifest.digest:
            raise UpdateError("update-damaged", "image")
        try:
            check_files(vfs.VfsRom(image), listed, manifest.size)
            self._slots.pend(manifest.sequence, manifest.floor, manifest.size, manifest.digest)
        except OSError as error:
            code = "update-damaged" if error.args[0] in (2, 19) else "update-not-stored"
            raise UpdateError(code, "errno %d" % error.args[0]) from None


async def _in_time(task: "Awaitable[T]") -> "T":
    """UpdateError("update-source") when it takes longer than a block may."""
    try:
        return await asyncio.wait_for_ms(task, BLOCK_MS)  # type: ignore[attr-defined,no-any-return]
    except asyncio.TimeoutError:
        raise UpdateError("update-source", "too slow") from None
