"""The gateway's one configuration file (TOML): every key, its meaning, its default, its check.

`gateway/meethub.example.toml` shows them all. A wrong key or value is refused with file and line.
"""

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.drivers import driver_named
from gateway.wire.errors import MeethubError
from gateway.wire.topics import is_hub_id


class ConfigError(MeethubError):
    """The configuration file cannot be used; `detail` names file and line."""


@dataclass(frozen=True)
class BluetoothEntry:
    """A Bluetooth device of this home: its address, its driver's name, and who consented at the device.

    users: as in the file, "slot:code" pairs. bond: it was paired with this hub, and is heard bonded only.
    """

    address: str
    driver: str
    users: str = ""
    bond: bool = False

    def consents(self) -> tuple[tuple[int, int], ...]:
        """(user slot, consent code) of each person."""
        pairs = [pair.split(":") for pair in self.users.split(",") if pair]
        return tuple((int(slot), int(code)) for slot, code in pairs)


@dataclass(frozen=True)
class SerialEntry:
    """A device on a cable: the port's path and its driver's name."""

    port: str
    driver: str


@dataclass(frozen=True)
class Config:
    """What the file says. Paths are absolute; state_key is the bridge's 32-byte Ed25519 public key."""

    hub: str
    data: Path
    space_bytes: int
    host: str
    port: int
    ca: Path
    certificate: Path
    state_key: bytes
    first_delay_s: float
    longest_delay_s: float
    adapter: str
    bluetooth: tuple[BluetoothEntry, ...]
    serial: tuple[SerialEntry, ...]
    log_format: str


@dataclass(frozen=True)
class Key:
    """One key of the file: its type, the check of its value in words and code, its default."""

    kind: type
    demand: str
    holds: Callable[[Any], bool]
    default: Any = None
    required: bool = False


def _text(demand: str, holds: Callable[[str], bool], default: str | None = None) -> Key:
    return Key(str, demand, holds, default, required=default is None)


def _number(demand: str, low: float, high: float, default: float) -> Key:
    return Key(int, demand, lambda value: low <= value <= high, default)


_PATH = ("a path", bool)
_NO_USER = 255  # "unknown" in all measurements that name a user (GATT Specification Supplement)
_DRIVERS = "(meethub-gateway decode --list)"


def _on_a_cable(name: str) -> bool:
    driver = driver_named(name)
    return driver is not None and driver.serial is not None


def _by_radio(name: str) -> bool:
    driver = driver_named(name)
    return driver is not None and (bool(driver.subscribe) or driver.adverts)


def _are_users(text: str) -> bool:
    pairs = [re.fullmatch(r"\s*([0-9]{1,3}):[0-9]{4}\s*", pair) for pair in text.split(",")] if text else []
    return all(pair is not None and int(pair[1]) < _NO_USER for pair in pairs)


SCHEMA: dict[str, dict[str, Key]] = {
    "hub": {
        "id": _text("letters, digits and dashes, at most 32", is_hub_id),
        "data": _text(*_PATH, default="/var/lib/meethub"),
        "space_mb": _number("1 to 65536", 1, 65536, 512),
    },
    "bridge": {
        "host": _text("a host name or address", bool),
        "port": _number("1 to 65535", 1, 65535, 8883),
        "ca": _text(*_PATH),
        "certificate": _text(*_PATH),
        "state_key": _text("64 hex digits", lambda text: bool(re.fullmatch("[0-9a-f]{64}", text))),
        "first_delay_s": _number("0 to 3600", 0, 3600, 60),
        "longest_delay_s": _number("1 to 86400", 1, 86400, 600),
    },
    "bluetooth": {
        "adapter": _text(
            "hci0, hci1, … or none",
            lambda text: bool(re.fullmatch(r"hci[0-9]{1,3}|none", text)),
            default="hci0",
        ),
    },
    "bluetooth.device": {
        "address": _text(
            "six hex pairs", lambda text: bool(re.fullmatch("([0-9A-F]{2}:){5}[0-9A-F]{2}", text))
        ),
        "driver": _text(f"the name of a driver for Bluetooth {_DRIVERS}", _by_radio),
        "users": _text('user slot and consent code of each person, such as "1:0123, 2:4567"', _are_users, ""),
        "bond": Key(bool, "true or false", lambda _: True, default=False),
    },
    "serial.device": {
        "port": _text(*_PATH),
        "driver": _text(f"the name of a driver for a cable {_DRIVERS}", _on_a_cable),
    },
    "log": {
        "format": _text("text or json", lambda word: word in ("text", "json"), default="text"),
    },
}


def load(path: Path) -> Config:
    """The configuration in this file. ConfigError with file and line for anything wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError("config-unreadable", f"{path}: {reason}") from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("config-syntax", f"{path}: {error}") from None
    return _config(_Checked(path, text, tree))


def make_data_directory(config: Config) -> None:
    """The directory for keys and outbox, for this user alone. ConfigError("data-not-writable")."""
    try:
        config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("data-not-writable", f"{config.data}: {error.strerror}") from None
    if not os.access(config.data, os.W_OK | os.X_OK):
        raise ConfigError("data-not-writable", str(config.data))


class _Checked:
    """The file's tables against SCHEMA; knows where each key stands."""

    def __init__(self, path: Path, text: str, tree: dict[str, Any]) -> None:
        self.path = path
        self.text = text
        self.tree = tree
        known = {name.partition(".")[0] for name in SCHEMA}
        for name in tree:
            if name not in known:
                self.refuse(name, name, "there is no such section")

    def refuse(self, table: str, key: str, why: str, index: int = 0) -> None:
        raise ConfigError("config-key", f"{self.path}:{self.line(table, key, index)}: {key}: {why}")

    def line(self, table: str, key: str, index: int) -> int:
        """The line on which a key of a table stands, or of its index-th repetition.

        The table's own line when the key is missing, 1 when the table is.
        """
        current, found, seen = "", 1, -1
        for number, line in enumerate(self.text.splitlines(), 1):
            if header := re.match(r"\s*\[+\s*([\w.-]+)\s*\]+", line):
                current = header[1]
                seen += current == table
                found = number if current == table and seen == index else found
            elif not (current == "" or (current == table and seen == index)):
                continue
            elif re.match(rf'\s*"?{re.escape(key)}"?\s*[=.]', line):
                return number
        return found

    def table(self, name: str) -> dict[str, Any]:
        """One section, each key checked, defaults filled in."""
        table = self.tree.get(name, {})
        if not isinstance(table, dict):
            self.refuse(name, name, "must be a section")
        lists = {other.partition(".")[2] for other in SCHEMA if other.startswith(name + ".")}
        return self.row(name, {key: value for key, value in table.items() if key not in lists})

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A repeated section such as [[serial.device]]."""
        outer, _, inner = name.partition(".")
        section = self.tree.get(outer, {})
        if not isinstance(section, dict) or set(section) - {inner} - set(SCHEMA.get(outer, {})):
            self.refuse(outer, outer, f"only [[{name}]] belongs here")
        rows = section.get(inner, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.refuse(name, inner, f"write it as [[{name}]]")
        checked = [self.row(name, row, index) for index, row in enumerate(rows)]
        place = next(iter(SCHEMA[name]))
        for index, row in enumerate(checked):
            if row[place] in [other[place] for other in checked[:index]]:
                self.refuse(name, place, "stands here twice", index)
        return checked

    def row(self, name: str, row: dict[str, Any], index: int = 0) -> dict[str, Any]:
        schema = SCHEMA[name]
        for key in row:
            if key not in schema:
                self.refuse(name, key, "there is no such key; known: " + ", ".join(schema), index)
        for key, rule in schema.items():
            why = _wrong(name, key, rule, row)
            if why:
                self.refuse(name, key, why, index)
        return {key: row.get(key, rule.default) for key, rule in schema.items()}


def _wrong(name: str, key: str, rule: Key, row: dict[str, Any]) -> str:
    if key not in row:
        return f"missing in [{name}]" if rule.required else ""
    value = row[key]
    return "" if type(value) is rule.kind and rule.holds(value) else f"must be {rule.demand}"


def _config(checked: _Checked) -> Config:
    hub, bridge = checked.table("hub"), checked.table("bridge")
    bluetooth = [BluetoothEntry(**row) for row in checked.rows("bluetooth.device")]
    serial = [SerialEntry(**row) for row in checked.rows("serial.device")]
    base = checked.path.absolute().parent
    return Config(
        hub=hub["id"],
        data=base / hub["data"],
        space_bytes=hub["space_mb"] << 20,
        host=bridge["host"],
        port=bridge["port"],
        ca=base / bridge["ca"],
        certificate=base / bridge["certificate"],
        state_key=bytes.fromhex(bridge["state_key"]),
        first_delay_s=bridge["first_delay_s"],
        longest_delay_s=bridge["longest_delay_s"],
        adapter=checked.table("bluetooth")["adapter"],
        bluetooth=tuple(bluetooth),
        serial=tuple(serial),
        log_format=checked.table("log")["format"],
    )
