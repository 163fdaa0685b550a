"""What NimBLE leaves to the application: keeping the keys of bonds, and the digits that people compare.

MicroPython, docs/library/bluetooth.rst, _IRQ_GET_SECRET and _IRQ_SET_SECRET: keys and values are bytes that
mean nothing to the application.
"""

import asyncio
import os
import struct
from collections.abc import Callable
from typing import Any

from bumble.hci import Address
from bumble.keys import KeyStore, PairingKeys
from bumble.pairing import PairingDelegate

OUR_SECRET, PEER_SECRET, OUR_IDENTITY = 1, 2, 10
_IDENTITY = b"irk"
GET_SECRET, SET_SECRET, PASSKEY_ACTION = 29, 30, 31
READY = 0  # none of MicroPython's: `active(True)` returns
INPUT, DISPLAY, NUMERIC_COMPARISON = 2, 3, 4
_KINDS = ("ltk", "ltk_central", "ltk_peripheral", "irk")
_ROW = "<B16sBH8s"
_SIZE = 80  # about as long as a value of NimBLE
_ANSWER_S = 5.0
_PERSON_S = 60.0


class AppKeyStore(KeyStore):
    """Bonds that the firmware keeps: asked by event 29, told by event 30."""

    def __init__(self, tells: Callable[..., None]) -> None:
        self._tells = tells
        self._held: set[str] = set()
        self._asked: dict[int, asyncio.Future[bytes | None]] = {}
        self._number = 0

    def holds(self, name: str) -> bool:
        """Whether a bond with this address was told or asked since the power came."""
        return name in self._held

    async def load(self) -> None:
        """As NimBLE does when it starts: its own identity key, made where there is none, then all bonds."""
        if await self._ask(OUR_IDENTITY, 0, _IDENTITY) is None:
            self._tells(SET_SECRET, (OUR_IDENTITY, len(_IDENTITY), 1), _IDENTITY + os.urandom(16))
        index = 0
        while await self._ask(PEER_SECRET, index, None) is not None:
            index += 1
        self._tells(READY, ())

    async def get(self, name: str) -> PairingKeys | None:
        keys = unpacked(await self._ask(PEER_SECRET, 0, secret_key(name)))
        self._held |= {name} if keys else set()
        return keys

    async def _ask(self, kind: int, index: int, key: bytes | None) -> bytes | None:
        self._number = number = (self._number + 1) & 0xFFFF
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._tells(GET_SECRET, (number, kind, index, int(key is not None)), key or b"")
        try:
            async with asyncio.timeout(_ANSWER_S):
                await answer
        except TimeoutError:
            return None
        finally:
            del self._asked[number]
        return answer.result()

    def answer(self, number: int, value: bytes | None) -> None:
        """What the firmware had for question `number`."""
        if number in self._asked and not self._asked[number].done():
            self._asked[number].set_result(value)

    async def update(self, name: str, keys: PairingKeys) -> None:
        self._held.add(name)
        self._set(name, packed(keys))

    async def delete(self, name: str) -> None:
        self._held.discard(name)
        self._set(name, None)

    def _set(self, name: str, value: bytes | None) -> None:
        key = secret_key(name)
        for kind in (OUR_SECRET, PEER_SECRET):
            self._tells(SET_SECRET, (kind, len(key), int(value is not None)), key + (value or b""))


def secret_key(name: str) -> bytes:
    """NimBLE's ble_addr_t: type, then the address, last byte first."""
    address = Address(name)
    return bytes((int(not address.is_public),)) + bytes(address)


def packed(keys: PairingKeys) -> bytes:
    rows = b""
    for number, kind in enumerate(_KINDS):
        key: PairingKeys.Key | None = getattr(keys, kind)
        if key is not None:
            rows += struct.pack(
                _ROW, number + 1, key.value, key.authenticated, key.ediv or 0, key.rand or bytes(8)
            )
    return rows.ljust(_SIZE, b"\0")


def unpacked(value: bytes | None) -> PairingKeys | None:
    """None when there is none, or when it is none of ours."""
    keys, size = PairingKeys(), struct.calcsize(_ROW)
    for at in range(0, len(value or b"") - size + 1, size):
        number, data, authenticated, ediv, rand = struct.unpack_from(_ROW, value or b"", at)
        if 0 < number <= len(_KINDS):
            setattr(keys, _KINDS[number - 1], PairingKeys.Key(data, bool(authenticated), ediv, rand))
    return keys if keys.ltk or keys.ltk_central or keys.ltk_peripheral else None


class AppPasskeys:
    """Digits that the firmware shows, types or compares (event 31, gap_passkey)."""

    def __init__(self, tells: Callable[..., None]) -> None:
        self._tells = tells
        self._waiting: dict[int, asyncio.Future[int]] = {}

    def delegate(self, handle: int, io: int, keys: PairingDelegate.KeyDistribution) -> PairingDelegate:
        return _Delegate(self, handle, PairingDelegate.IoCapability(io), keys, keys)

    async def ask(self, handle: int, action: int, number: int = 0) -> int:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[handle] = answer
        self._tells(PASSKEY_ACTION, (handle, action, number))
        async with asyncio.timeout(_PERSON_S):
            await answer
        return answer.result()

    def answer(self, handle: int, _action: int, passkey: int) -> None:
        waiting = self._waiting.pop(handle, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(passkey)


class _Delegate(PairingDelegate):
    def __init__(self, passkeys: AppPasskeys, handle: int, *capabilities: Any) -> None:
        super().__init__(*capabilities)
        self._passkeys = passkeys
        self._handle = handle

    async def get_number(self) -> int | None:
        return await self._passkeys.ask(self._handle, INPUT)

    async def generate_passkey(self) -> int:
        return await self._passkeys.ask(self._handle, DISPLAY)

    async def compare_numbers(self, number: int, digits: int) -> bool:  # noqa: ARG002 (bumble's signature)
        return bool(await self._passkeys.ask(self._handle, NUMERIC_COMPARISON, number))
