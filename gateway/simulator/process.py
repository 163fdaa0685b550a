"""Starting and stopping the chain's programs: each a real process with a log file, ready when it says so.

Readiness is systemd's own protocol (sd_notify): the daemons say READY=1 here exactly as on a Pi.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0
POLL_S = 0.05


class ChainError(Exception):
    """A program of the chain did not start or died; the message says which and where its log is."""


def wait_until(holds: Callable[[], bool], within_s: float, alive: Callable[[], bool] = lambda: True) -> bool:
    """True as soon as the condition holds; False when the time is up or the program died."""
    end = time.monotonic() + within_s
    while time.monotonic() < end and alive():
        if holds():
            return True
        time.sleep(POLL_S)
    return holds()


class Program:
    """One process of the chain. Without `ready` it is ready when it notifies READY=1."""

    def __init__(
        self, name: str, command: list[str], log: Path, ready: Callable[[], bool] | None = None
    ) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._ready = ready

    def start(self) -> None:
        """Start it and wait until it is ready. ChainError otherwise."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with _NotifySocket() as notified, self.log.open("ab") as output:
            environment = {**os.environ, "NOTIFY_SOCKET": notified.path}
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
            if not wait_until(self._ready or notified.heard, READY_WITHIN_S, self.alive):
                self.stop()
                raise ChainError(f"{self.name} did not start; the last lines of {self.log}:\n{self.tail()}")

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)

    def stop(self) -> None:
        """Ask it to stop; after ten seconds, make it."""
        process = self._send(signal.SIGTERM)
        try:
            if process is not None:
                process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """What a power cut does: no warning, no clean-up."""
        process = self._send(signal.SIGKILL)
        if process is not None:
            process.wait()

    def _send(self, number: signal.Signals) -> "subprocess.Popen[bytes] | None":
        """To it and all it started; None when it ended already (its number may be another's by now)."""
        if self.process is None or self.process.poll() is not None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        return self.process

    def tail(self, lines: int = 12) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Remembered:
    """Which processes of a chain run, in a file: what a killed chain left behind is found by the next one.

    A process is known by its number and the moment it began (proc(5), stat, field 22), so that a number that
    was given to somebody else in the meantime is left alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, pids: Iterable[int]) -> None:
        known = {str(pid): began for pid in pids if (began := _began(pid)) is not None}
        self._path.write_text(json.dumps(known))

    def end_all(self) -> int:
        """End what still runs; how many that were."""
        if not self._path.exists():
            return 0
        known = json.loads(self._path.read_text())
        left = [int(pid) for pid, began in known.items() if _began(int(pid)) == began]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, number)
            wait_until(lambda: not any(_began(pid) for pid in left), STOP_WITHIN_S / 2)
        self._path.unlink()
        return len(left)


def _began(pid: int) -> str | None:
    """When this process began, in ticks since boot; None when it does not run."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else fields[18]


class _NotifySocket:
    """A datagram socket that hears READY=1."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="meethub-")
        self.path = self._folder.name + "/notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._folder.cleanup()

    def heard(self) -> bool:
        try:
            return b"READY=1" in self._socket.recv(4096)
        except BlockingIOError:
            return False


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
