"""How a hub comes to be known by a bridge: its request out, the bridge's answer in. At provisioning only.

The request is what `meethub-bridge enrol` takes, the same as a Raspberry Pi's (`meethub-gateway init`).
"""

import binascii
import json

from firmware import config
from firmware.files import make_folder, write_whole
from firmware.signer import Signer, certificate_request, tls_key
from gateway.wire.errors import MeethubError

KEYS = "keys"
AUTHORITY, CERTIFICATE = "ca.der", "hub.der"
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class EnrolmentError(MeethubError):
    """What came is no answer of a bridge. Code: enrolment-answer."""


def request(folder: str, hub: str) -> dict[str, str]:
    """What the bridge needs; the keys are made here on first use and never leave. SignerError."""
    _wake_the_noise()
    keys = folder + "/" + KEYS
    signer = Signer.open(keys)
    return {
        "hub": hub,
        "public_key": signer.public_key.hex(),
        "certificate_request": certificate_request(keys, hub).decode(),
    }


def _wake_the_noise() -> None:
    """The chip's random numbers are true ones while its radio is on (ESP32 reference manual, "RNG")."""
    import network

    network.WLAN(network.STA_IF).active(True)


def install(folder: str, answer: str, settings: str) -> None:
    """Keep the bridge's answer and the installer's settings (both JSON); the configuration is written last.

    EnrolmentError, or ConfigError for settings that do not hold; then nothing was changed.
    """
    try:
        told = json.loads(answer)
        certificates = [_der(told[name]) for name in ("ca", "certificate")]
        row = dict(json.loads(settings))
        row["state_key"] = told["state_key"]
    except (ValueError, KeyError, TypeError):
        raise EnrolmentError("enrolment-answer") from None
    config.Config(row)
    keys = folder + "/" + KEYS
    make_folder(keys)
    for name, data in zip((AUTHORITY, CERTIFICATE), certificates):
        write_whole(keys + "/" + name, data)
    write_whole(folder + "/" + config.FILE, json.dumps(row).encode())


def _der(pem: str) -> bytes:
    """The certificate inside its PEM lines; ValueError for anything else."""
    start, end = pem.find(_BEGIN), pem.find(_END)
    if start < 0 or end < start:
        raise ValueError
    return binascii.a2b_base64(pem[start + len(_BEGIN) : end].encode())


def files(folder: str) -> tuple[str, str, str]:
    """Where authority, certificate and TLS key are, for the uplink."""
    keys = folder + "/" + KEYS
    return keys + "/" + AUTHORITY, keys + "/" + CERTIFICATE, tls_key(keys)
