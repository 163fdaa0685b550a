"""What a network is entered with, and why a hub did not get in."""

from gateway.wire.errors import MeethubError


class WifiError(MeethubError):
    """The hub cannot get onto this network.

    Codes: wifi-input (a name of 1 to 32 bytes, a password of none or 8 to 64), wifi-not-found,
    wifi-password-wrong, wifi-no-address, wifi-failed.
    """


def check(ssid: bytes, password: bytes) -> None:
    """WifiError("wifi-input") for what no network can have."""
    if not 0 < len(ssid) <= 32 or not (password == b"" or 8 <= len(password) <= 64):
        raise WifiError("wifi-input")
