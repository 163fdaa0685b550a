"""The whole chain on loopback: broker, callout, bridge, FHIR server, gateway and virtual devices.

Each is a real process, spoken to by its own command line only, with its files in one directory. Started
again on that directory everything goes on where it stopped: keys, certificates, outbox, ledger, devices.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.drivers import driver_named
from gateway.simulator.catalogue import SERIAL, USUAL, entries
from gateway.simulator.chain_files import Facts, gateway_config, only_one
from gateway.simulator.fhir_server import FhirServer
from gateway.simulator.process import (
    READY_WITHIN_S,
    ChainError,
    Program,
    Remembered,
    free_port,
    listening,
    wait_until,
)

HUB = "hub-0001"
STORED = 5
# A hub asks a cable every few seconds who is there.
INTRODUCED_WITHIN_S = 20
BINDING_AT_ONCE = 3
Say = Callable[[str, str], None]


class Chain:
    """One chain in one directory. `say(what, text)` tells what happens, in plain words.

    devices: names out of the catalogue. interval_s: how often somebody measures with each of them.
    """

    def __init__(
        self,
        directory: Path,
        devices: tuple[str, ...] = USUAL,
        say: Say = lambda *_: None,
        interval_s: float = 6,
    ) -> None:
        self.directory = directory.absolute()
        self.devices = entries(devices)
        self.say = say
        self.interval_s = interval_s
        self.started = datetime.now(UTC)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ChainError(f"{self.directory} cannot be used: {error.strerror}") from None
        self.facts = Facts(self.directory / "chain.json")
        self.fhir = FhirServer(self.directory / "pgo")
        self.programs: dict[str, Program] = {}
        self._running = Remembered(self.directory / "processes.json")
        self._lock = contextlib.ExitStack()

    # Places

    @property
    def bridge_data(self) -> Path:
        return self.directory / "bridge"

    @property
    def gateway_data(self) -> Path:
        return self.directory / "gateway"

    @property
    def street_data(self) -> Path:
        return self.directory / "street"

    @property
    def streets(self) -> list[Path]:
        """Where devices of this citizen are: ours, and that of a firmware hub if one ever ran beside us."""
        return [self.street_data, *self.directory.glob("firmware/street")]

    @property
    def gateway_config(self) -> Path:
        return self.directory / "gateway.toml"

    @property
    def patient(self) -> str:
        return str(self.facts["patient"])

    # Start and stop

    def start(self) -> None:
        """Start everything; ChainError says what did not start. Stops what runs when one fails."""
        self._lock.enter_context(only_one(self.directory))
        if left := self._running.end_all():
            self.say("clean-up", f"ended {left} programs that an earlier chain left behind")
        try:
            with ThreadPoolExecutor() as pool:
                beside = [pool.submit(self._start_pgo), pool.submit(self._start_street)]
                self._start_bridge_side()
                for started in beside:
                    started.result()
            self._name_people()
            self._start_hub()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, devices first, so that nothing is under way when the bridge ends."""
        for name in ("street", "gateway", "bridge", "callout", "broker"):
            if name in self.programs:
                self.programs.pop(name).stop()
        self.fhir.stop()
        self._remember()
        self._lock.close()

    def quiet(self) -> None:
        """Nobody measures any more; what was sent can arrive."""
        self.programs["street"].send_signal(signal.SIGUSR1)
        wait_until((self.street_data / "quiet.json").exists, READY_WITHIN_S, self.programs["street"].alive)

    def follow(self) -> "subprocess.Popen[str]":
        """The steps of all readings since this start, one JSON object a line."""
        command = [*self._bridge_command("follow"), "--json", "--since", self.started.isoformat()]
        with (self.directory / "log" / "follow.log").open("ab") as log:
            # In a session of its own: Ctrl-C is ours to answer, and nothing of it reaches the terminal.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def dead(self) -> list[str]:
        """Programs that ended although nobody asked them to."""
        ended = [name for name, program in self.programs.items() if not program.alive()]
        return ended if self.fhir.alive else [*ended, "PGO"]

    def _start_bridge_side(self) -> None:
        mqtt, service = self._port("mqtt"), self._port("service")
        self.bridge("setup", "--mqtt-port", str(mqtt), "--service-port", str(service))
        broker = self.bridge_data / "broker"
        nats = str(Path(sys.executable).with_name("nats-server"))
        self.run("broker", [nats, "-c", str(broker / "nats.conf")], ready=lambda: listening(mqtt))
        self.say("broker", f"NATS, MQTT with mutual TLS on port {mqtt}")
        self.run("callout", self._bridge_command("callout"))
        self.say("callout", "asks the registry about everyone who connects")
        self.run("bridge", self._bridge_command("run"))
        self.say("bridge", f"ledger in {self._short(self.bridge_data)}")

    def _start_pgo(self) -> None:
        self.fhir.start()
        self._remember()
        self.say("PGO", f"an independent FHIR server: {self.fhir.base_url}")

    def _name_people(self) -> None:
        """A household, a citizen in it, and where this citizen's readings may go."""
        household = self.facts.once("household", lambda: self.bridge("household")["household"])
        citizen = self.facts.once(
            "citizen", lambda: self.bridge("citizen", "--household", household)["citizen"]
        )
        self.facts["patient"] = self.fhir.patient()
        receiver = self.bridge("receiver", "--url", self.fhir.base_url)["receiver"]
        self.bridge("link", "--citizen", citizen, "--receiver", receiver, "--patient", self.patient)
        self.say("people", f"{citizen} of {household} reads along in the PGO as {self.patient}")

    def _start_street(self) -> None:
        ready = self.street_data / "ready.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "gateway.simulator.street", "--directory", str(self.street_data)]
        names = ",".join(entry.driver for entry in self.devices)
        command += ["--devices", names, "--interval", str(self.interval_s)]
        command += ["--stored", str(STORED)]
        self.run("street", command, ready=ready.exists)
        self.say("devices", f"virtual, measuring by themselves: {names.replace(',', ', ')}")

    def _start_hub(self) -> None:
        self._enrol()
        self._write_gateway_config()
        known = self._hub_devices()
        self._bind([device for device in known if not _is_stranger(device)])
        self.run("gateway", self._gateway_command())
        self.say("gateway", f"{HUB}, outbox in {self._short(self.gateway_data)}")
        if any(_is_stranger(device) for device in known):
            self._bind(self._introduced())

    def _gateway_command(self) -> list[str]:
        """The daemon itself; on the virtual radio where there is a Bluetooth device."""
        config = ["--config", str(self.gateway_config)]
        if all(entry.by == SERIAL for entry in self.devices):
            return [sys.executable, "-m", "gateway", "run", *config]
        module = "gateway.simulator.virtual_gateway"
        return [sys.executable, "-m", module, *config, "--street", str(self.street_data)]

    def _enrol(self) -> None:
        """The hub makes its keys; the bridge's authority answers with a certificate, renewed when due."""
        request = self.gateway("init", "--hub", HUB, "--data", str(self.gateway_data))
        if request["certificate"] == "good" and "state_key" in self.facts:
            return
        file = self.directory / "enrolment-request.json"
        file.write_text(json.dumps(request))
        answer = self.bridge("enrol", str(file), "--household", str(self.facts["household"]))
        (self.gateway_data / "hub.pem").write_text(answer["certificate"])
        (self.gateway_data / "ca.pem").write_text(answer["ca"])
        self.facts["state_key"] = answer["state_key"]
        self.say("keys", f"{HUB} made its own keys and got a certificate for 90 days")

    def _write_gateway_config(self) -> None:
        street = json.loads((self.street_data / "ready.json").read_text())
        text = gateway_config(
            HUB, self.gateway_data, self.facts["mqtt"], self.facts["state_key"], street["devices"]
        )
        self.gateway_config.write_text(text)

    def _bind(self, devices: list[dict[str, str]]) -> None:
        """Each device is this citizen's since yesterday, so that what it stored before today counts too."""
        fresh = [device for device in devices if "bound " + device["identity"] not in self.facts]
        with ThreadPoolExecutor(BINDING_AT_ONCE) as pool:
            starts = list(pool.map(self._bind_one, [device["identity"] for device in fresh]))
        for device, start in zip(fresh, starts, strict=True):
            self.facts["bound " + device["identity"]] = start
        for device in devices:
            self.say("binding", f"{device['driver']} ({device['identity']}) is {self.facts['citizen']}'s")

    def _introduced(self) -> list[dict[str, str]]:
        """Those that were strangers, once they have said who they are (or after a while without)."""
        wait_until(
            lambda: not any(_is_stranger(device) for device in self._hub_devices()),
            INTRODUCED_WITHIN_S,
            self.programs["gateway"].alive,
        )
        return [device for device in self._hub_devices() if "bound " + device["identity"] not in self.facts]

    def _hub_devices(self) -> list[dict[str, str]]:
        devices: list[dict[str, str]] = self.gateway("devices", "--config", str(self.gateway_config))
        return devices

    def _bind_one(self, identity: str) -> str:
        citizen, start = str(self.facts["citizen"]), (self.started - timedelta(days=1)).isoformat()
        self.bridge("bind", "--device", identity, "--citizen", citizen, "--from", start)
        return start

    # Programs and command lines

    def run(self, name: str, command: list[str], ready: Callable[[], bool] | None = None) -> None:
        program = self.programs[name] = Program(name, command, self.directory / "log" / f"{name}.log", ready)
        program.start()
        self._remember()

    def _remember(self) -> None:
        programs = [program.process.pid for program in self.programs.values() if program.process]
        self._running.write([*programs, *([self.fhir.pid] if self.fhir.pid else [])])

    def bridge(self, *words: str) -> Any:
        """Run one command of the bridge; its JSON."""
        return _answer([*self._bridge_command(words[0]), "--json", *words[1:]])

    def gateway(self, *words: str) -> Any:
        """Run one command of the gateway; its JSON."""
        return _answer([sys.executable, "-m", "gateway", words[0], "--json", *words[1:]])

    def _bridge_command(self, name: str) -> list[str]:
        return [sys.executable, "-m", "cloud_bridge", name, "--data", str(self.bridge_data)]

    def _port(self, name: str) -> int:
        """A port of ours, the same at every start."""
        port = int(self.facts.once(name, lambda: str(free_port())))
        if listening(port):
            raise ChainError(
                f"Port {port} is in use: does another chain run? Stop it, or remove {self.directory}"
            )
        return port

    def _short(self, path: Path) -> str:
        with contextlib.suppress(ValueError):
            return str(path.relative_to(Path.cwd()))
        return str(path)


def _is_stranger(device: dict[str, str]) -> bool:
    """A meter on a cable that says who it is, and has not been asked yet."""
    kind = driver_named(device["driver"])
    return kind is not None and kind.unique_serial and device["identity"].startswith("port-")


def _answer(command: list[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = done.stdout + done.stderr
        with contextlib.suppress(ValueError, KeyError, TypeError):
            said = json.loads(done.stdout)["error"]["en"]
        raise ChainError(f"{command[2]} {command[3]}: {said}\nTo begin anew, remove the chain's directory.")
    return json.loads(done.stdout)
