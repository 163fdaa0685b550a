"""A gateway's configuration file for tests, and what it names."""

from pathlib import Path

STATE_KEY = "5a" * 32
TEXT = f"""\
[hub]
id = "hub-1"
data = "data"

[bridge]
host = "127.0.0.1"
port = 8883
ca = "ca.pem"
certificate = "hub.pem"
state_key = "{STATE_KEY}"

[bluetooth]
adapter = "none"

[[bluetooth.device]]
address = "C0:FF:EE:00:00:01"
driver = "blood-pressure"

[[serial.device]]
port = "ttyOX"
driver = "nonin-serial"
"""


def write(folder: Path, text: str = TEXT) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path
