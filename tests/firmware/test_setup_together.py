"""A cable, a phone in the air and a phone on the setup network at one hub, which is in one state."""

import asyncio
import json
import socket

import pytest

from tests.firmware.bluetooth_fixtures import with_home
from tests.firmware.portal_fixtures import ADDRESS, HOME, Page, free_port
from tests.firmware.test_improv_ble import AUTHORISED, INFORMATION, PROVISIONED, Phone
from tests.firmware.test_improv_serial import HEAD


def on_cable(command, data=b""):
    packet = HEAD + bytes([3, len(data) + 2, command, len(data)]) + data
    return packet + bytes([sum(packet) & 255]) + b"\n"


class Cable:
    """The process's own input and output."""

    def __init__(self, firmware):
        self._process = firmware._process
        self._heard = b""

    def send(self, data):
        self._process.stdin.write(data)

    async def until(self, part):
        async with asyncio.timeout(10):
            while part not in self._heard:
                more = await self._process.stdout.read(4096)
                assert more, self._heard
                self._heard += more
        _, _, self._heard = self._heard.partition(part)


async def asked(port, data):
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        answer = await reader.read()
        writer.close()
        return Page(answer.split(b"\r\n\r\n", 1)[1].decode())


@pytest.fixture
def setup(tmp_path, monkeypatch):
    """Runs an async test with the cable, a phone in the air and the page's port."""
    (tmp_path / "data").mkdir()
    (tmp_path / "air.json").write_text(json.dumps([HOME]))
    monkeypatch.setenv("MEETHUB_WIFI", str(tmp_path / "air.json"))
    page, names = free_port(), free_port(socket.SOCK_DGRAM)

    def run(test, page=page):
        async def whole(home):
            words = [str(tmp_path / "data"), str(page), str(names)]
            cable = Cable(await home.run(await home.board(), "run_setup.py", *words, heap="384k"))
            await cable.until(HEAD + bytes([1, 1, AUTHORISED]))
            await test(cable, Phone(home.air), page)

        with_home(whole, tmp_path)

    return run


def test_what_one_way_does_all_others_hear(setup):
    async def test(cable, phone, port):
        await phone.connect()
        cable.send(on_cable(INFORMATION))
        await cable.until(b"Meethub AB12")
        get = f"GET / HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n".encode()
        token = (await asked(port, get)).hidden["token"]
        body = f"token={token}&network={b'Thuis'.hex()}&password=geheim123".encode()
        head = f"POST / HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        assert "gelukt" in (await asked(port, head + body)).roles["status"]
        await cable.until(HEAD + bytes([1, 1, PROVISIONED]))
        while await phone.next("state") != bytes([PROVISIONED]):
            pass

    setup(test)


def test_a_way_that_cannot_open_leaves_the_others(setup):
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()

        async def test(cable, phone, port):
            await cable.until(b"setup-way-shut errno=98")
            await phone.connect()
            assert (await phone.ask(INFORMATION))[0] == b"Meethub"
            cable.send(on_cable(INFORMATION))
            await cable.until(b"Meethub AB12")

        setup(test, page=other.getsockname()[1])


def test_a_byte_that_is_ctrl_c_on_a_terminal_does_not_end_the_hub(setup):
    async def test(cable, phone, port):
        cable.send(b"\x03\x03\x03" + on_cable(INFORMATION))
        await cable.until(b"Meethub AB12")

    setup(test)
