"""MQTT topics. A hub speaks on hub/<id>/up/… and hears on hub/<id>/down/…; nothing personal in them."""

from gateway.wire.errors import WireError

ENVELOPE, HELLO, KEY = "envelope", "hello", "key"
UP = (ENVELOPE, HELLO, KEY)
# Whether a hub is there, as the broker keeps it: no message of `UP`, for it says nothing about readings.
PRESENCE = "presence"
ALIVE, GONE = b"1", b"0"
STATE = "state"
ALL_UP = "hub/+/up/#"
MAX_HUB_ID = 32
_ID = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"


def is_hub_id(text: str) -> bool:
    """Letters, digits and dashes only, so that no topic level or wildcard can be smuggled in."""
    return 0 < len(text) <= MAX_HUB_ID and all(c in _ID for c in text)


def up(hub: str, message: str) -> str:
    return "hub/" + hub + "/up/" + message


def down(hub: str) -> str:
    return "hub/" + hub + "/down/" + STATE


def hub_and_message(topic: str) -> tuple[str, str]:
    """(hub id, message) of an upward topic; WireError("topic-unknown") for any other."""
    parts = topic.split("/")
    if len(parts) != 4 or parts[0] != "hub" or parts[2] != "up" or parts[3] not in UP:
        raise WireError("topic-unknown")
    if not is_hub_id(parts[1]):
        raise WireError("topic-unknown")
    return parts[1], parts[3]
