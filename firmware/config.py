"""What an installer tells this hub, in one file: /config.json, written when it is provisioned.

{"hub": "hub-0002", "host": "bridge.example", "port": 8883, "state_key": "64 hex digits",
 "devices": [{"driver": "blood-pressure", "address": "F0:5A:01:02:03:04", "bond": true, "users": "1:1234"},
             {"driver": "nonin-serial", "uart": 1}],
 "zone": "CET-1CEST,M3.5.0,M10.5.0/3", "ntp": ["pool.ntp.org"], "first_delay_s": 60,
 "longest_delay_s": 600, "updates": "releases.example:443/esp32/"}

The first five are needed. zone: the home's, as POSIX writes it, for the clocks of devices. updates: where
releases are on a web server (docs/updates.md); without it this hub stays as it is.
"""

import json

from firmware import files
from gateway.drivers import driver_named
from gateway.wire.errors import MeethubError
from gateway.wire.topics import is_hub_id

FILE = "config.json"
ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"
_KEYS = (
    "hub",
    "host",
    "port",
    "state_key",
    "devices",
    "zone",
    "ntp",
    "first_delay_s",
    "longest_delay_s",
    "updates",
)
_DEVICE_KEYS = ("driver", "address", "uart", "bond", "users")
_HEX = "0123456789abcdefABCDEF"


class ConfigError(MeethubError):
    """The configuration cannot be used; `detail` names the key.

    Codes: config-unreadable, config-syntax, config-key.
    """


class Entry:
    """A device of this home: by its Bluetooth address, or by the number of the UART it hangs on.

    users: (slot, consent code) of who consented at the device. bond: heard only with the bond it made.
    """

    def __init__(self, row: dict[str, object]) -> None:
        _only(row, _DEVICE_KEYS)
        self.driver = _text(row, "driver")
        self.address = _text(row, "address", "").upper()
        self.uart = _number(row, "uart", 9, -1)
        self.bond = row.get("bond", False) is True
        self.users = _users(_text(row, "users", ""))
        _check("driver", good=driver_named(self.driver) is not None)
        _check("address", good=_is_address(self.address) == (self.uart < 0))


class Config:
    """See the module. ConfigError for anything else than that."""

    def __init__(self, row: object) -> None:
        if not isinstance(row, dict):
            raise ConfigError("config-syntax", FILE)
        _only(row, _KEYS)
        self.hub = _text(row, "hub")
        self.host = _text(row, "host")
        self.port = _number(row, "port", 65535)
        self.zone = _text(row, "zone", ZONE)
        self.ntp = [_text({"ntp": name}, "ntp") for name in _list(row, "ntp", [])]
        self.first_delay_s = _number(row, "first_delay_s", 3600, 60)
        self.longest_delay_s = _number(row, "longest_delay_s", 86400, 600)
        self.updates = _text(row, "updates", "")
        self.state_key = _public_key(_text(row, "state_key"))
        self.devices = [_entry(part) for part in _list(row, "devices")]
        _check("hub", good=is_hub_id(self.hub))
        _check("host", good=0 < len(self.host) < 254)
        _check("updates", good=not self.updates or _is_place(self.updates))


def load(folder: str) -> Config | None:
    """The configuration in this folder; None on a new hub. ConfigError when it cannot be used."""
    try:
        data = files.read(folder + "/" + FILE)
    except OSError:
        raise ConfigError("config-unreadable", FILE) from None
    if data is None:
        return None
    try:
        row = json.loads(data.decode())
    except ValueError:
        raise ConfigError("config-syntax", FILE) from None
    return Config(row)


def _check(key: str, *, good: bool) -> None:
    if not good:
        raise ConfigError("config-key", key)


def _only(row: dict[str, object], keys: tuple[str, ...]) -> None:
    for key in row:
        _check(str(key), good=key in keys)


def _text(row: dict[str, object], key: str, otherwise: str | None = None) -> str:
    item = row.get(key, otherwise)
    if not isinstance(item, str):
        raise ConfigError("config-key", key)
    return item


def _number(row: dict[str, object], key: str, most: int, otherwise: int | None = None) -> int:
    item = row.get(key)
    if item is None and otherwise is not None:
        return otherwise
    if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item <= most:
        raise ConfigError("config-key", key)
    return item


def _list(row: dict[str, object], key: str, otherwise: list[object] | None = None) -> list[object]:
    item = row.get(key, otherwise)
    if not isinstance(item, list):
        raise ConfigError("config-key", key)
    return item


def _entry(item: object) -> Entry:
    if not isinstance(item, dict):
        raise ConfigError("config-key", "devices")
    return Entry(item)


def _is_hex(text: str) -> bool:
    for sign in text:
        if sign not in _HEX:
            return False
    return True


def _is_address(text: str) -> bool:
    """Six pairs of hex digits with colons, as it is printed."""
    pairs = text.split(":")
    return len(pairs) == 6 and _is_hex("".join(pairs)) and len(text) == 17


def _is_place(text: str) -> bool:
    """host:port/path/"""
    place, slash, path = text.partition("/")
    host, _, port = place.partition(":")
    return (
        bool(host and slash and port.isdigit()) and 0 < int(port) <= 65535 and (not path or path[-1] == "/")
    )


def _public_key(text: str) -> bytes:
    _check("state_key", good=len(text) == 64 and _is_hex(text))
    return bytes.fromhex(text)


def _users(text: str) -> tuple[tuple[int, int], ...]:
    """Pairs of slot and consent code, from "1:1234,2:99"."""
    pairs = []
    for part in text.split(","):
        if part:
            slot, _, code = part.partition(":")
            _check("users", good=slot.isdigit() and code.isdigit())
            pairs.append((int(slot), int(code)))
    return tuple(pairs)
