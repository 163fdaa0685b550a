"""`make firmware-run`: a firmware hub on this computer, beside the chain of `make run`.

It is a house of its own in the same chain: another hub, with its own virtual devices, for the same citizen.
The chain must run; this one starts and stops beside it and goes on where it stopped.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from firmware.workshop import boards, slot
from firmware.workshop.build import ROOT
from gateway.simulator.catalogue import SERIAL, entries
from gateway.simulator.chain import Chain
from gateway.simulator.chain_files import Facts
from gateway.simulator.process import ChainError, Program, listening

HUB, HOUSE = "hub-0002", 2
HEAP = "256k"
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
            self._install_software()
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

    def dead(self) -> list[str]:
        """Programs that ended although nobody asked them to."""
        return [name for name, program in self.programs.items() if not program.alive()]

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

    def _install_software(self) -> None:
        """Compile, and put it into the slots as the workshop does with a board."""
        first = slot.first_release(
            boards.load("unix"), self.directory / "release-keys", self.directory / "build"
        )
        (self.directory / "slots.bin").write_bytes(first.slots())
        for name, data in ((slot.STATE, first.state), (slot.PINNED, first.pinned), ("board.txt", b"unix")):
            (self.directory / name).write_bytes(data)
            self._micropython("put", name, str(self.directory / name))
        self._say("software", f"{len(first.sizes)} files, {len(first.image)} bytes in a slot of its flash")

    def _enrol(self) -> None:
        """The hub makes its keys; the bridge's authority answers with a certificate."""
        if "enrolled" not in self._facts:
            request = self.directory / "enrolment-request.json"
            request.write_text(self._micropython("request", HUB))
            household = str(self._chain.facts["household"])
            answer = self._chain.bridge("enrol", str(request), "--household", household)
            (self.directory / "enrolment-answer.json").write_text(json.dumps(answer))
            self._facts["enrolled"] = HUB
            self._say("keys", f"{HUB} made its own keys and got a certificate for 90 days")
        settings = self.directory / "settings.json"
        settings.write_text(json.dumps(self._settings()))
        self._micropython("install", str(self.directory / "enrolment-answer.json"), str(settings))

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
        for identity in json.loads(self._micropython("devices")):
            if "bound " + identity not in self._facts:
                words = ("--device", identity, "--citizen", citizen, "--from", start.isoformat())
                self._chain.bridge("bind", *words)
                self._facts["bound " + identity] = start.isoformat()
            self._say("binding", f"{identity} is {citizen}'s")

    def _start_hub(self) -> None:
        log = self.directory / "log" / "hub.log"
        log.unlink(missing_ok=True)
        self._run("hub", self._command("run"), lambda: b"uplink-connected" in log.read_bytes())
        self._say("hub", f"{HUB}: MicroPython with a heap of {HEAP}, flash in {self.directory}")

    def _run(self, name: str, command: list[str], ready: Callable[[], bool]) -> None:
        log = self.directory / "log" / f"{name}.log"
        program = self.programs[name] = Program(name, command, log, ready)
        program.start()

    def _command(self, *words: str) -> list[str]:
        """The interpreter with the virtual board's wires: its radio's port and its cables' ends."""
        wires = [f"MEETHUB_BOARD={self.directory}"]
        radio = self.directory / "board" / "ready.json"
        wires.append(f"MEETHUB_BLE_PORT={json.loads(radio.read_text())['port']}")
        cables = [device["port"] for device in self._on_the_street() if device["by"] == SERIAL]
        wires += [f"MEETHUB_UART{number}={port}" for number, port in enumerate(cables, 1)]
        micropython = str(Path(sys.executable).with_name("micropython"))
        launcher = [str(VIRTUAL / "run_hub.py"), str(self.directory), *words]
        return ["/usr/bin/env", *wires, micropython, "-X", f"heapsize={HEAP}", *launcher]

    def _micropython(self, *words: str) -> str:
        done = subprocess.run(self._command(*words), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ChainError(f"the hub's {words[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
        return done.stdout
