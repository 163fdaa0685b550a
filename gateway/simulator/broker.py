"""The broker and its callout service as processes on this machine, for the demo chain and for tests.

Both run on the directory that `cloud_bridge.broker.prepare` filled; nothing here knows what is in it.
"""

import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

STARTED_WITHIN_S = 20.0
STOPPED_WITHIN_S = 10.0


class Process:
    """One program, its output in a file; `start` returns when it serves, RuntimeError when it does not."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._command = command
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
            )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end and wait; killed when it takes too long. Does nothing when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut or the kernel would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _wait_until_ready(self, process: subprocess.Popen[str]) -> None:
        raise NotImplementedError

    def _failed(self) -> RuntimeError:
        return RuntimeError(f"{Path(self._command[0]).name} did not start; see {self._log}")


class Broker(Process):
    """The NATS server of this directory; serves hubs and bridges on the MQTT port."""

    def __init__(self, directory: Path, mqtt_port: int) -> None:
        beside = Path(sys.executable).with_name("nats-server")
        program = str(beside) if beside.exists() else "nats-server"
        configuration = str(directory / "nats.conf")
        super().__init__([program, "-c", configuration], directory / "nats.log")
        self._store = directory / "store"
        self._port = mqtt_port

    def delete_store(self) -> None:
        """Lose all the broker keeps; only while it does not run."""
        if self.running:
            raise RuntimeError("the broker still runs")
        shutil.rmtree(self._store, ignore_errors=True)

    def _wait_until_ready(self, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + STARTED_WITHIN_S
        waiting = threading.Event()
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                waiting.wait(0.02)
            else:
                return
        raise self._failed()


class Callout(Process):
    """The service that answers the broker who may connect; start it before hubs connect."""

    def __init__(self, directory: Path, database: str) -> None:
        command = [sys.executable, "-m", "cloud_bridge.callout"]
        arguments = ["--broker", str(directory), "--database", database]
        super().__init__(command + arguments, directory / "callout.log")

    def _wait_until_ready(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise self._failed()
