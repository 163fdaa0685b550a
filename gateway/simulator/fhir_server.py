"""An independent FHIR R4 server that stands in for a citizen's PGO: `sekmet serve` as a process of its own.

It keeps its data in a directory, so that a second start goes on where the first stopped. It knows no person:
a Patient here is an id and nothing else.
"""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HOST = "127.0.0.1"
START_S = 60.0
"""A cold start takes 2 s on a quiet machine and much longer on a small busy one."""
STOP_S = 10.0
REQUEST_S = 10.0
POLL_S = 0.1
DEMO_PATIENT = "demo-citizen"


class FhirServerError(Exception):
    """The FHIR server did not start or does not answer; its own log says why."""


class FhirServer:
    """One FHIR server. `base_url` is known before it runs and stays the same while its port is free."""

    def __init__(self, directory: Path, *, absolute_references: bool = False) -> None:
        self._directory = directory
        self._absolute_references = absolute_references
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def base_url(self) -> str:
        """Known once it was started; the same at every start, for receivers are named by it."""
        return f"http://{HOST}:{self._port}/fhir"

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """False when it ended although nobody stopped it."""
        return self._process is None or self._process.poll() is None

    def start(self) -> None:
        """Start and wait until it answers. FhirServerError after START_S or when it ends by itself."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._port = self._port or _usable_port(self._directory / "port")
        self._write_settings()
        with (self._directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name("sekmet")), "serve", "-c", "settings.yaml"],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal stops the chain in order, not this first
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ask it to end, and end it when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def patient(self, name: str = DEMO_PATIENT) -> str:
        """The reference of the Patient with this id; made on first use, with nothing personal in it."""
        status, _ = self.request("GET", f"Patient/{name}")
        if status == 200:
            return f"Patient/{name}"
        status, _ = self.request("PUT", f"Patient/{name}", {"resourceType": "Patient", "id": name})
        if status not in (200, 201):
            raise FhirServerError(f"the patient was not stored: {status}")
        return f"Patient/{name}"

    def request(self, method: str, path: str, resource: object | None = None) -> tuple[int, bytes]:
        """(status, body) of a plain request, as any other client of the server would do it."""
        request = urllib.request.Request(  # noqa: S310 (only to the address above)
            f"{self.base_url}/{path}",
            method=method,
            data=None if resource is None else json.dumps(resource).encode(),
            headers={"content-type": "application/fhir+json", "accept": "application/fhir+json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_S) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def _write_settings(self) -> None:
        settings = {
            "base_url": self.base_url,
            "host": HOST,
            "port": self._port,
            "data_dir": "data",
            "log_inbound": False,
            "simulator": {"enabled": False},
            "validation": {"inbound": "strict"},
            "server_behaviour": {"absolute_references": self._absolute_references},
        }
        # JSON is YAML
        (self._directory / "settings.yaml").write_text(json.dumps(settings, indent=1) + "\n")

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise FhirServerError(f"the FHIR server ended; see {self._directory / 'server.log'}")
            try:
                if self.request("GET", "metadata")[0] == 200:
                    return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(POLL_S)
        raise FhirServerError(f"the FHIR server does not answer; see {self._directory / 'server.log'}")


def _usable_port(remembered: Path) -> int:
    """The port of the last time, or a free one the first time; kept in a file beside the data."""
    wanted = int(remembered.read_text()) if remembered.exists() else 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            raise FhirServerError(f"port {wanted} of the FHIR server is in use by another program") from None
        found = int(probe.getsockname()[1])
    remembered.write_text(str(found))
    return found
