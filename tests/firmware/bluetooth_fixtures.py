"""Virtual devices in the air, and firmware that hears them: MicroPython beside the test's own event loop."""

import asyncio
import json
import os
from pathlib import Path

from gateway.simulator.virtual_board import VirtualBoard
from gateway.simulator.virtual_radio import AdapterPort, Air
from tests.firmware.conftest import ROOT, micropython

BOARD = Path("tests/firmware/board")
PATH = "firmware/virtual:.:tests/firmware/board:.frozen"


class Firmware:
    """A script on MicroPython. It prints lines of JSON, each a list that begins with a word."""

    def __init__(self, process):
        self._process = process
        self.said = []
        self.noise = []

    async def until(self, word, timeout_s=20, count=1):
        """The line with this word, the count-th from now on."""
        async with asyncio.timeout(timeout_s):
            while True:
                line = await self._line()
                if line[0] == word:
                    count -= 1
                    if count == 0:
                        return line

    async def _line(self):
        while True:
            line = await self._process.stdout.readline()
            if not line:
                raise AssertionError(["the firmware ended", *self.noise[-40:]])
            try:
                self.said.append(json.loads(line))
            except ValueError:
                self.noise.append(line.decode(errors="replace").rstrip())
                continue
            return self.said[-1]

    async def ended(self, timeout_s=20):
        """Until it ends by itself; what it said. It must end well."""
        async with asyncio.timeout(timeout_s):
            try:
                while True:
                    await self._line()
            except AssertionError:
                code = await self._process.wait()
        assert code == 0, [*self.noise[-40:], self.said[-10:]]
        return self.said

    async def tell(self, word):
        self._process.stdin.write(word.encode() + b"\n")
        await self._process.stdin.drain()

    async def kill(self):
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


class Home:
    """The air, the devices on it, and boards with firmware, until the test ends."""

    def __init__(self, directory):
        self.directory = directory
        self.air = Air()
        self.devices = []
        self.adapters = []
        self._boards = []
        self._firmware = []

    async def board(self):
        """A board of its own on the air; the port for its firmware."""
        adapter = AdapterPort(self.air, f"00:AA:01:00:00:{len(self.adapters) + 1:02X}")
        await adapter.open()
        board = VirtualBoard(lambda: adapter.port)
        await board.open()
        self.adapters.append(adapter)
        self._boards.append(board)
        return board.port

    async def run(self, port, script, *words, heap="4M", **environment):
        process = await asyncio.create_subprocess_exec(
            micropython(),
            "-X",
            f"heapsize={heap}",
            str(BOARD / script),
            *words,
            cwd=ROOT,
            env={**os.environ, "MICROPYPATH": PATH, "MEETHUB_BLE_PORT": str(port), **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1 << 22,
        )
        firmware = Firmware(process)
        self._firmware.append(firmware)
        return firmware

    async def add(self, device):
        await device.start()
        self.devices.append(device)
        return device

    async def close(self):
        for part in self._firmware:
            await part.kill()
        for part in (*self._boards, *self.adapters):
            await part.close()
        for device in self.devices:
            await device.stop()


def with_home(test, directory):
    """Runs an async test with a Home of its own."""

    async def run():
        home = Home(directory)
        try:
            await test(home)
        finally:
            await home.close()

    asyncio.run(run())
