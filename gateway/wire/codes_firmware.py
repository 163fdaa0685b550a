"""Codes of the ESP32 hub's own boundaries: who must act, Dutch, English."""

# fmt: off
FIRMWARE: dict[str, tuple[str, str, str]] = {
}
