"""`make firmware-run`: a firmware hub on this computer, beside the chain of `make run`.

It is a house of its own in the same chain: another hub, with its own virtual devices, for the same citizen.
The chain must run; this one starts and stops beside it and goes on where it stopped.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from firmware.workshop import boards, build, image, partitions, slot
from firmware.workshop.build import ROOT
from gateway.simulator.catalogue import SERIAL, entries
from gateway.simulator.chain import Chain
from gateway.simulator.chain_files import Facts
from gateway.simulator.process import ChainError, Program, listening, wait_until

HUB, HOUSE = "hub-0002", 2
BOARD = boards.load("unix")
# Less is enough for a cuff alone (tests/e2e/test_firmware_memory.py); each further driver takes 10 to 20 KB.
HEAP = "384k"
BENCH_HEAP = "1M"  # what a workbench asks of it is no part of the hub
RESTARTED = 3  # how the interpreter ends where a board would start again
LOOK_S = 0.5
QUIET_WITHIN_S = 30
VIRTUAL = ROOT / "firmware" / "virtual"
Say = Callable[[str, str], None]


class HubHere:
    """A firmware hub and its devices. devices: names out of the catalogue, at most two of them on a cable."""

    def __init__(self, chain: Path, devices: tuple[str, ...], say: Say, interval_s: float = 6) -> None:
        self.directory = chain.absolute() / "firmware"
        self.devices = entries(devices)
        self.programs: dict[str, Program] = {}
        self._chain = Chain(chain)
        self._say = say
        self._interval_s = interval_s

    @property
    def chip(self) -> Path:
        """Its whole flash."""
        return self.directory / "flash.bin"

    @property
    def street(self) -> Path:
        return self.directory / "street"

    def start(self) -> None:
        """Start its devices and itself; ChainError says what did not start, and what did is stopped."""
        if "mqtt" not in self._chain.facts or not listening(int(self._chain.facts["mqtt"])):
            raise ChainError("No chain runs here. Start one first, in another terminal: make run")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._facts = Facts(self.directory / "hub.json")
        try:
            self._start_street()
            self._write_board()
            self._enrol()
            self._bind()
            self._start_hub()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Devices first, so that nothing is under way when the hub ends."""
        for name in ("street", "hub", "board"):
            if name in self.programs:
                self.programs.pop(name).stop()

    def quiet(self) -> None:
        """Nobody measures any more; what was sent can arrive."""
        self.programs["street"].send_signal(signal.SIGUSR1)
        wait_until((self.street / "quiet.json").exists, QUIET_WITHIN_S, self.programs["street"].alive)

    def crash(self) -> None:
        """The power is cut and comes back: no warning, no clean-up."""
        self.programs["hub"].kill()
        self._start_hub()

    def follow(self) -> None:
        """Until a program ends although nobody asked it to: ChainError says which."""
        while not (ended := [name for name, program in self.programs.items() if not program.alive()]):
            time.sleep(LOOK_S)
        raise ChainError(f"{ended[0]} ended by itself; its log is {self.directory}/log/{ended[0]}.log")

    def _start_street(self) -> None:
        ready = self.street / "ready.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "gateway.simulator.street", "--directory", str(self.street)]
        names = ",".join(entry.driver for entry in self.devices)
        command += ["--devices", names, "--interval", str(self._interval_s), "--house", str(HOUSE)]
        self._run("street", [*command, "--stored", "5"], ready.exists)
        radio = self.directory / "board"
        (radio / "ready.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "gateway.simulator.virtual_board", "--street", str(self.street)]
        self._run("board", [*command, "--directory", str(radio)], (radio / "ready.json").exists)
        self._say("devices", f"virtual, measuring by themselves: {names.replace(',', ', ')}")

    def _write_board(self) -> None:
        """Compile, and write the chip as the workshop does with a board, the first time or with new software.

        What is in the other partitions stays: keys, settings and readings.
        """
        first = slot.first_release(BOARD, self.directory / "release-keys", self.directory / "build")
        (self.directory / "virtual.romfs").write_bytes(virtual_hardware(self.directory / "build-virtual"))
        written = not self.chip.exists()
        if written:
            self.chip.write_bytes(b"\xff" * BOARD.flash_bytes)
        with self.chip.open("r+b") as chip:
            chip.seek(partitions.ROMFS_AT)
            chip.write(first.slots())
        for name, data in first.files.items():
            if written or name != "resetting":  # only a new board has its data made
                (self.directory / name).write_bytes(data)
                self._micropython("put", name, str(self.directory / name))
        self._say("software", f"{len(first.sizes)} files, {len(first.image)} bytes in a slot of its flash")

    def _enrol(self) -> None:
        """The hub makes its keys; the bridge's authority answers with a certificate."""
        if "enrolled" not in self._facts:
            request = self.directory / "enrolment-request.json"
            request.write_text(self._do(f"bench.request({HUB!r})"))
            household = str(self._chain.facts["household"])
            answer = self._chain.bridge("enrol", str(request), "--household", household)
            self._facts["answer"] = json.dumps(answer)
            self._facts["enrolled"] = HUB
            self._say("keys", f"{HUB} made its own keys and got a certificate for 90 days")
        self._do(f"bench.install({self._facts['answer']!r}, {json.dumps(self._settings())!r})")

    def _settings(self) -> dict[str, object]:
        """The hub's config.json, but for the key that the bridge's answer has."""
        number, devices = 0, []
        for device in self._on_the_street():
            place: dict[str, object] = {"address": device.get("address")}
            if device["by"] == SERIAL:
                number += 1
                place = {"uart": number}
            devices.append({"driver": device["driver"], **place})
        port = int(self._chain.facts["mqtt"])
        delays = {"first_delay_s": 2, "longest_delay_s": 10}
        return {"hub": HUB, "host": "127.0.0.1", "port": port, "devices": devices, **delays}

    def _on_the_street(self) -> list[dict[str, str]]:
        devices: list[dict[str, str]] = json.loads((self.street / "ready.json").read_text())["devices"]
        return devices

    def _bind(self) -> None:
        """Each device is the chain's citizen's, since yesterday."""
        citizen, start = str(self._chain.facts["citizen"]), self._chain.started - timedelta(days=1)
        for identity in json.loads(self._do("bench.devices()")):
            if "bound " + identity not in self._facts:
                words = ("--device", identity, "--citizen", citizen, "--from", start.isoformat())
                self._chain.bridge("bind", *words)
                self._facts["bound " + identity] = start.isoformat()
            self._say("binding", f"{identity} is {citizen}'s")

    def _start_hub(self) -> None:
        log = self.directory / "log" / "hub.log"
        log.unlink(missing_ok=True)
        again = ["/bin/sh", "-c", f'while "$@"; [ $? = {RESTARTED} ]; do :; done', "sh"]
        self._run("hub", [*again, *self._command("run")], lambda: b"uplink-connected" in log.read_bytes())
        self._say("hub", f"{HUB}: MicroPython with a heap of {HEAP}, flash in {self.chip}")

    def _run(self, name: str, command: list[str], ready: Callable[[], bool]) -> None:
        log = self.directory / "log" / f"{name}.log"
        program = self.programs[name] = Program(name, command, log, ready)
        program.start()

    def _command(self, *words: str) -> list[str]:
        """The interpreter with the virtual board's wires: its radio's port and its cables' ends."""
        parts = partitions.layout(BOARD.flash_bytes)
        table = ",".join(f"{part.label}:{part.at // 4096}:{part.size // 4096}" for part in parts)
        wires = [f"MEETHUB_PARTITIONS={table}", f"MEETHUB_BOARD=/pc{self.directory}"]
        wires.append(f"MEETHUB_WIFI=/pc{self.directory}/air.json")
        radio = self.directory / "board" / "ready.json"
        wires.append(f"MEETHUB_BLE_PORT={json.loads(radio.read_text())['port']}")
        cables = [device["port"] for device in self._on_the_street() if device["by"] == SERIAL]
        wires += [f"MEETHUB_UART{number}=/pc{port}" for number, port in enumerate(cables, 1)]
        micropython = str(Path(sys.executable).with_name("micropython"))
        launcher = [
            str(VIRTUAL / "run_hub.py"),
            str(self.directory / "virtual.romfs"),
            str(self.chip),
            *words,
        ]
        return [
            "/usr/bin/env",
            *wires,
            micropython,
            "-X",
            f"heapsize={HEAP if words[0] == 'run' else BENCH_HEAP}",
            *launcher,
        ]

    def _do(self, line: str) -> str:
        """A line on the board, as mpremote runs it; what it printed last."""
        lines = self.directory / "line.py"
        lines.write_text("from firmware import bench; " + line)
        return (self._micropython("do", str(lines)).splitlines() or [""])[-1]

    def _micropython(self, *words: str) -> str:
        done = subprocess.run(self._command(*words), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ChainError(f"the hub's {words[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
        return done.stdout


def virtual_hardware(folder: Path) -> bytes:
    """An image of the modules that stand for a board's own."""
    sources = [path.relative_to(ROOT) for path in VIRTUAL.glob("*.py")]
    build.build(BOARD.chip.architecture, folder, sources)
    return image.romfs(image.listing(folder / "firmware" / "virtual"))
