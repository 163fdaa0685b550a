"""The Bluetooth stack of a virtual ESP32: a bumble host for firmware that runs on MicroPython's unix port.

    python -m gateway.simulator.virtual_board --street DIR --adapter 0 --directory DIR

Writes DIR/ready.json ({"pid", "port"}) when it listens. The other half is firmware/virtual/bluetooth.py. It
makes two connections to the port and says first which is which: "CMD" (a line of JSON each way: [name,
argument, …], then [errno, value]) and "EV" (events: length, number, fields as EVENTS says). Two, so that no
event stands between a command and its answer. When the command connection ends the board has lost its power:
adapter and connections go.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bumble.core import BaseBumbleError
from bumble.hci import HCI_Error

from gateway.simulator.street import read_json, write_json
from gateway.simulator.virtual_board_radio import BoardRadio, RefusedError

# Fields of each event (MicroPython, docs/library/bluetooth.rst); what is left over is its bytes or its UUID.
EVENTS = {
    **dict.fromkeys((1, 2, 7, 8), "<HB6s"),
    **dict.fromkeys((3, 10, 12, 13, 14, 15, 18, 19, 21), "<HH"),
    **dict.fromkeys((16, 17, 20, 9), "<HHH"),
    5: "<B6sBb",
    6: "",
    0: "",
    11: "<HHHB",
    27: "<HHHHH",
    28: "<HBBBB",
    29: "<HBBB",
    30: "<BBB",
    31: "<HBI",
}
_EIO = 5
log = logging.getLogger(__name__)


class VirtualBoard:
    """Serves one firmware process at a time. port: asks for the adapter's, anew each time it is opened."""

    def __init__(self, adapter_port: Callable[[], int]) -> None:
        self.port = 0
        self._adapter_port = adapter_port
        self._radio: BoardRadio | None = None
        self._events: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None

    async def open(self, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._came, "127.0.0.1", port, limit=1 << 20)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._switch_off()

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        which = b""
        try:
            which = await reader.readline()
            if which == b"EV\n":
                self._events = writer
                await reader.read()
            elif which == b"CMD\n":
                await self._obey(reader, writer)
        except ConnectionError:
            log.debug("the board has gone")
        finally:
            if which == b"CMD\n":
                await self._switch_off()
            writer.close()

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            name, *words = json.loads(line)
            try:
                answer: list[Any] = [0, await self._do(name, words)]
            except RefusedError as refusal:
                answer = [refusal.number, None]
            except (BaseBumbleError, HCI_Error, OSError, ValueError, KeyError, TypeError) as error:
                log.warning("%s: %r", name, error)
                answer = [_EIO, None]
            writer.write(json.dumps(answer).encode() + b"\n")

    async def _do(self, name: str, words: list[Any]) -> Any:
        if name == "active":
            return await self._switch(*words)
        if self._radio is None:
            raise RefusedError("ENODEV")
        command = getattr(self._radio, "do_" + name)
        return await command(*words)

    async def _switch(self, on: bool) -> None:  # noqa: FBT001 (a command's argument)
        await self._switch_off()
        if on:
            self._radio = radio = BoardRadio(self._told)
            await radio.open(self._adapter_port())

    async def _switch_off(self) -> None:
        radio, self._radio = self._radio, None
        if radio is not None:
            await radio.close()

    def _told(self, number: int, fields: tuple[Any, ...], rest: bytes = b"") -> None:
        if self._events is None or self._events.is_closing():
            return
        data = bytes((number,)) + struct.pack(EVENTS[number], *fields) + rest
        self._events.write(struct.pack("<H", len(data)) + data)


async def live(arguments: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def port() -> int:
        return int(read_json(arguments.street / "ready.json")["adapters"][arguments.adapter])

    board = VirtualBoard(port)
    await board.open(arguments.port)
    arguments.directory.mkdir(parents=True, exist_ok=True)
    write_json(arguments.directory / "ready.json", {"pid": os.getpid(), "port": board.port})
    try:
        await stop.wait()
    finally:
        await board.close()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="gateway.simulator.virtual_board", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--street", type=Path, required=True, help="directory of the virtual devices")
    parser.add_argument("--adapter", type=int, default=0, help="which of the street's adapters")
    parser.add_argument("--directory", type=Path, required=True, help="where ready.json is written")
    parser.add_argument("--port", type=int, default=0, help="on which to listen; 0: any free one")
    asyncio.run(live(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
