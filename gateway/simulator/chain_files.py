"""The files of a chain: what it keeps between two starts, its gateway's configuration, and its lock."""

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.simulator.process import ChainError


class Facts:
    """What must be the same at the next start: one small JSON file, written whole at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._facts: dict[str, str] = self._read() if path.exists() else {}

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._path.read_text()))
        except (OSError, ValueError) as error:
            where = self._path.parent
            raise ChainError(f"{self._path} is damaged ({error}). To begin anew, remove {where}.") from None

    def __getitem__(self, name: str) -> str:
        return self._facts[name]

    def __contains__(self, name: str) -> bool:
        return name in self._facts

    def __setitem__(self, name: str, value: str) -> None:
        self._facts[name] = value
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._facts, indent=1))
        fresh.replace(self._path)

    def once(self, name: str, make: Callable[[], str]) -> str:
        """The fact of this name; made the first time."""
        if name not in self._facts:
            self[name] = make()
        return self._facts[name]


@contextlib.contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Two chains on one directory would fight for its files."""
    with (directory / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ChainError(f"A chain runs in {directory} already.") from None
        yield


def gateway_config(hub: str, data: Path, port: str, state_key: str, devices: list[dict[str, str]]) -> str:
    """The gateway's configuration (TOML). devices: as the street's ready.json names them."""
    text = f"""\
# Written by the demo chain at each start.
[hub]
id = "{hub}"
data = "{data}"

[bridge]
host = "127.0.0.1"
port = {port}
ca = "{data}/ca.pem"
certificate = "{data}/hub.pem"
state_key = "{state_key}"
first_delay_s = 2
longest_delay_s = 10

[bluetooth]
adapter = "hci0"
"""
    for device in devices:
        place, key = ("bluetooth", "address") if device["by"] == "bluetooth" else ("serial", "port")
        text += f'\n[[{place}.device]]\n{key} = "{device[key]}"\ndriver = "{device["driver"]}"\n'
    return text
