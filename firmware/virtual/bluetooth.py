# ruff: noqa: FBT002, SLF001 (the signatures of the real module; asyncio's own way to wait for a socket)
"""MicroPython's `bluetooth` module for the unix port, over the virtual board in another process.

The board (gateway/simulator/virtual_board.py) listens on the loopback port in MEETHUB_BLE_PORT. What hurts
on a real board is imitated: buffers are overwritten when the handler returns; events wait in a ring of
`rxbuf` bytes, and what does not fit is lost (scan results first); an indication is confirmed before the
handler runs. An ESP32 has no such ring: it hands events over at once and knows no `rxbuf` (as here where
MEETHUB_BLE_RING is "none"), so that the ring is the harder case. The handler runs in an asyncio task:
`active(True)` needs a running loop.

Source: MicroPython, docs/library/bluetooth.rst, and enqueue_irq in extmod/modbluetooth.c.
"""

import asyncio
import json
import os
import socket
import struct
import sys

FLAG_READ = 0x0002
FLAG_WRITE_NO_RESPONSE = 0x0004
FLAG_WRITE = 0x0008
FLAG_NOTIFY = 0x0010
FLAG_INDICATE = 0x0020

_ADDRESS, _PAIR, _TRIPLE = "<HB6s", "<HH", "<HHH"
_FORMS = {
    1: _ADDRESS, 2: _ADDRESS, 3: _PAIR, 5: "<B6sBb", 6: "", 7: _ADDRESS, 8: _ADDRESS, 9: _TRIPLE,
    10: _PAIR, 11: "<HHHB", 12: _PAIR, 13: _PAIR, 14: _PAIR, 15: _PAIR, 16: _TRIPLE, 17: _TRIPLE,
    18: _PAIR, 19: _PAIR, 20: _TRIPLE, 21: _PAIR, 27: "<HHHHH", 28: "<HBBBB", 31: "<HBI",
}  # fmt: skip
_ADDRESS_AT = {1: 3, 2: 3, 7: 3, 8: 3, 5: 1}  # where in the bytes of an event
_WITH_UUID = (9, 11, 13)
_WITH_DATA = (5, 15, 18, 19)
_READY, _SCAN_RESULT, _GET_SECRET, _SET_SECRET = 0, 5, 29, 30
_OUR_IDENTITY = 10
_USUAL_RING = 128


class UUID:
    """A 16-bit number, text of 128 bits, or the bytes of another (last byte first)."""

    def __init__(self, value) -> None:
        if isinstance(value, int):
            self._data = value.to_bytes(2, "little")
        elif isinstance(value, str):
            digits = bytes.fromhex(value.replace("-", ""))
            if len(digits) != 16:
                raise ValueError("invalid UUID")
            self._data = bytes(reversed(digits))
        else:
            self._data = bytes(value)

    def __bytes__(self) -> bytes:
        return bytes(self._data)

    def __iter__(self):
        return iter(bytes(self._data))

    def __len__(self) -> int:
        return len(self._data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UUID) and bytes(self._data) == bytes(other._data)

    def __hash__(self) -> int:
        return hash(bytes(self._data))

    def __repr__(self) -> str:
        return "UUID(" + bytes(reversed(bytes(self._data))).hex() + ")"


class BLE:
    """The one Bluetooth interface of this board."""

    _one = None

    def __new__(cls):
        if cls._one is None:
            cls._one = object.__new__(cls)
            cls._one._set_up()
        return cls._one

    def __init__(self) -> None:
        pass

    def _set_up(self) -> None:
        self._on = False
        self._irq = None
        self._commands = self._events = self._pump = None
        self._config = {"rxbuf": _USUAL_RING, "mtu": 256, "gap_name": "MPY ESP32", "addr_mode": 0}
        self._ring = []
        self._ring_bytes = 0
        self._has_ring = os.getenv("MEETHUB_BLE_RING") != "none"
        self.lost = 0  # events that found no room; only here, for tests

    def _ask(self, *words):
        if self._commands is None:
            raise OSError(19)  # ENODEV: the radio is not active
        self._commands.write(json.dumps(words).encode() + b"\n")
        number, value = json.loads(self._commands.readline())
        if number:
            raise OSError(number)
        return value

    def _connect(self) -> None:
        where = socket.getaddrinfo("127.0.0.1", int(os.getenv("MEETHUB_BLE_PORT")))[0][-1]
        sockets = []
        for word in (b"EV\n", b"CMD\n"):
            one = socket.socket()
            one.connect(where)
            one.write(word)
            sockets.append(one)
        self._events, self._commands = sockets
        self._events.setblocking(False)

    def active(self, on=None):
        """Switches the radio on or off; whether it is on. OSError when there is no adapter."""
        if on is not None and bool(on) != self._on:
            if self._commands is None:
                self._connect()
                self._pump = asyncio.create_task(self._pumped())
            self._ask("active", bool(on))
            self._on = bool(on)
            self._ring = []
            self._ring_bytes = 0
            if self._on:
                self._start()
        return self._on

    def _start(self) -> None:
        """Until the stack is ready; it asks for its keys first."""
        self._events.setblocking(True)
        while True:
            size = struct.unpack("<H", self._events.read(2))[0]
            data = bytearray(self._events.read(size))
            if data[0] == _READY:
                break
            self._deliver(data)
        self._events.setblocking(False)

    def irq(self, handler) -> None:
        self._irq = handler

    def config(self, *names, **values):
        if names:
            name = names[0]
            if name == "mac":
                return 0, bytes.fromhex(self._ask("mac"))
            return self._config[name]
        for name, value in values.items():
            known = name != "rxbuf" or self._has_ring
            if not known or name not in (
                "rxbuf",
                "mtu",
                "bond",
                "le_secure",
                "mitm",
                "io",
                "gap_name",
                "addr_mode",
            ):
                raise ValueError("unknown config param")
            plain = bytes(value).decode() if isinstance(value, (bytes, bytearray)) else value
            self._config[name] = plain
            if name not in ("rxbuf", "addr_mode"):
                self._ask("set", name, plain)
        return None

    # Events.

    async def _pumped(self):
        """Reads what came in since, puts it into the ring, and calls the handler for each."""
        rest, mine = b"", self._events
        while True:
            yield asyncio.core._io_queue.queue_read(mine)
            came = mine.read(512)
            while came:
                rest = self._queued(rest + came)
                came = mine.read(512)
            if came == b"":
                return
            while self._ring:
                data = self._ring.pop(0)
                self._ring_bytes -= len(data)
                self._deliver(data)

    def _queued(self, data):
        at = 0
        while len(data) - at >= 2:
            size = data[at] | data[at + 1] << 8
            if len(data) - at - 2 < size:
                break
            self._enqueue(bytearray(data[at + 2 : at + 2 + size]))
            at += 2 + size
        return data[at:]

    def _enqueue(self, event) -> None:
        full = self._has_ring and self._ring_bytes + len(event) + 1 > self._config["rxbuf"]
        if full and event[0] not in (_GET_SECRET, _SET_SECRET):  # these are asked at once, past the ring
            if event[0] == _SCAN_RESULT or not self._ring or self._ring[0][0] != _SCAN_RESULT:
                self.lost += int(event[0] != _SCAN_RESULT)
                return
            self._ring_bytes -= len(self._ring.pop(0))
        self._ring.append(event)
        self._ring_bytes += len(event)

    def _deliver(self, data) -> None:
        number, body = data[0], memoryview(data)[1:]
        if number == _GET_SECRET:
            self._give_secret(body)
        elif number == _SET_SECRET:
            self._keep_secret(body)
        elif number != _READY:  # of an attempt to switch on that failed half-way
            self._call(number, self._fields(number, body))
        for at in range(len(data)):
            data[at] = 0xA5

    def _fields(self, number, body):
        form = _FORMS[number]
        fields = list(struct.unpack(form, body)) if form else []
        at = _ADDRESS_AT.get(number)
        if at is not None:
            fields[1 if number == _SCAN_RESULT else 2] = body[at : at + 6]
        size = struct.calcsize(form) if form else 0
        if number in _WITH_DATA:
            fields.append(body[size:])
        elif number in _WITH_UUID:
            uuid = UUID(b"")
            uuid._data = body[size:]
            fields.append(uuid)
        return tuple(fields)

    def _call(self, number, fields):
        if self._irq is None:
            return None
        try:
            return self._irq(number, fields)
        except Exception as error:
            sys.print_exception(error)
            return None

    def _give_secret(self, body) -> None:
        asked, kind, index, has_key = struct.unpack("<HBBB", body)
        value = self._call(_GET_SECRET, (kind, index, body[5:] if has_key else None))
        self._ask("secret", asked, None if value is None else bytes(value).hex())

    def _keep_secret(self, body) -> None:
        kind, size, has_value = struct.unpack("<BBB", body)
        kept = self._call(_SET_SECRET, (kind, body[3 : 3 + size], body[3 + size :] if has_value else None))
        if has_value and not kept and kind != _OUR_IDENTITY:
            raise RuntimeError("NimBLE would forget a bond and ask again, for ever")

    # GAP.

    def gap_advertise(self, interval_us, adv_data=None, *, resp_data=None, connectable=True) -> None:
        self._ask("advertise", interval_us, _hex(adv_data), _hex(resp_data), bool(connectable))

    def gap_scan(self, duration_ms, interval_us=1280000, window_us=11250, active=False) -> None:
        self._ask("scan", duration_ms, interval_us, window_us, bool(active))

    def gap_connect(self, addr_type, addr=b"", scan_duration_ms=2000, *_intervals) -> None:
        self._ask("connect", addr_type, _hex(addr), scan_duration_ms)

    def gap_disconnect(self, conn_handle):
        return self._ask("disconnect", conn_handle)

    def gap_pair(self, conn_handle) -> None:
        self._ask("pair", conn_handle)

    def gap_passkey(self, conn_handle, action, passkey) -> None:
        self._ask("passkey", conn_handle, action, passkey)

    # GATT client.

    def gattc_discover_services(self, conn_handle, uuid=None) -> None:
        self._ask("client", conn_handle, "services", _hex(uuid))

    def gattc_discover_characteristics(self, conn_handle, start_handle, end_handle, uuid=None) -> None:
        self._ask("client", conn_handle, "characteristics", start_handle, end_handle, _hex(uuid))

    def gattc_discover_descriptors(self, conn_handle, start_handle, end_handle) -> None:
        self._ask("client", conn_handle, "descriptors", start_handle, end_handle)

    def gattc_read(self, conn_handle, value_handle) -> None:
        self._ask("client", conn_handle, "read", value_handle)

    def gattc_write(self, conn_handle, value_handle, data, mode=0) -> None:
        self._ask("client", conn_handle, "write", value_handle, _hex(data), mode == 1)

    def gattc_exchange_mtu(self, conn_handle) -> None:
        self._ask("client", conn_handle, "exchange_mtu")

    # GATT server.

    def gatts_register_services(self, services):
        told = []
        for service in services:
            parts = []
            for part in service[1]:
                below = [[_hex(one[0]), one[1]] for one in (part[2] if len(part) > 2 else ())]
                parts.append([_hex(part[0]), part[1], below])
            told.append([_hex(service[0]), parts])
        return tuple([tuple(handles) for handles in self._ask("register", told)])

    def gatts_read(self, value_handle) -> bytes:
        return bytes.fromhex(self._ask("local_read", value_handle))

    def gatts_write(self, value_handle, data, send_update=False) -> None:
        self._ask("local_write", value_handle, _hex(data), bool(send_update))

    def gatts_notify(self, conn_handle, value_handle, data=None) -> None:
        self._ask("notify", conn_handle, value_handle, _hex(data))

    def gatts_indicate(self, conn_handle, value_handle, data=None) -> None:
        self._ask("indicate", conn_handle, value_handle, _hex(data))

    def gatts_set_buffer(self, value_handle, size, append=False) -> None:
        self._ask("local_buffer", value_handle, size, bool(append))


def _hex(data):
    if data is None:
        return None
    return (data.encode() if isinstance(data, str) else bytes(data)).hex()
