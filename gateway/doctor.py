"""Looks a hub over from configuration to bridge, and says for each point what is wrong and what to do."""

import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.config import Config, ConfigError, load
from gateway.outbox import Outbox
from gateway.pairing.steps import Steps
from gateway.radio_doctor import examine_radio
from gateway.wire.catalogue import explain, spoken, told
from gateway.wire.errors import MeethubError

EXPIRES_SOON = timedelta(days=14)
REACH_WITHIN_S = 5.0
REFUSED_WITHIN_S = 0.5


@dataclass(frozen=True)
class Finding:
    """One point that was looked at; `code` names what is wrong, None when it is good; `steps` mend it."""

    point: str
    code: str | None = None
    detail: str = ""
    steps: Steps | None = None

    @property
    def good(self) -> bool:
        return self.code is None

    @property
    def unreachable(self) -> bool:
        return self.code is not None and self.code.endswith("unreachable")

    def json(self) -> dict[str, object]:
        row: dict[str, object] = {"point": self.point, "good": self.good, "detail": self.detail}
        if self.code is not None:
            who, dutch, english = explain(self.code)
            row |= {"code": self.code, "who": who, "nl": dutch, "en": english}
        if self.steps is not None:
            row["steps"] = {"nl": self.steps.nl, "en": self.steps.en}
        return row

    def line(self) -> str:
        """The finding for people, in the language of their terminal."""
        if self.code is None:
            return f"ok      {self.point}{': ' + self.detail if self.detail else ''}"
        language = spoken(dict(os.environ))
        lines = [f"PROBLEM {self.point}: {told(self.code, language, self.detail)}"]
        lines += ["  - " + step for step in (self.steps.told(language) if self.steps else ())]
        return "\n".join(lines)


def examine(path: Path) -> list[Finding]:
    """Everything that can be looked at; a broken configuration is the only finding then."""
    try:
        config = load(path)
    except ConfigError as error:
        return [Finding("configuration", error.code, error.detail)]
    return [Finding("configuration", detail=str(path)), *_examine(config)]


def _examine(config: Config) -> Iterator[Finding]:
    checks: list[tuple[str, Callable[[Config], str]]] = [
        ("data directory", _data),
        ("outbox", _outbox),
        ("certificate", _certificate),
        ("devices", _devices),
        ("broker", _bridge),
    ]
    for point, check in checks:
        try:
            yield Finding(point, detail=check(config))
        except MeethubError as error:
            yield Finding(point, error.code, error.detail)
    if config.adapter != "none" and config.bluetooth:
        yield from (Finding(one.point, one.code, one.detail, one.steps) for one in examine_radio(config))


class DoctorError(MeethubError):
    """Something on this hub is not as it must be."""


def _data(config: Config) -> str:
    if not config.data.is_dir():
        raise DoctorError("data-missing", str(config.data))
    for name in ("", "signing.key", "tls.key"):
        place = config.data / name
        if place.exists() and stat.S_IMODE(place.stat().st_mode) & 0o077:
            raise DoctorError("data-open-to-others", str(place))
    return str(config.data)


def _outbox(config: Config) -> str:
    outbox = Outbox.look(config.data / "outbox.sqlite")
    counts = outbox.counts()
    outbox.close()
    if counts.get("quarantined"):
        raise DoctorError("outbox-quarantine", str(counts["quarantined"]))
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _certificate(config: Config) -> str:
    end = certificate_end(config.certificate)
    if end is None:
        raise DoctorError("certificate-missing", str(config.certificate))
    if end < datetime.now(UTC):
        raise DoctorError("certificate-expired", f"{end:%Y-%m-%d}")
    if end < datetime.now(UTC) + EXPIRES_SOON:
        raise DoctorError("certificate-expires-soon", f"{end:%Y-%m-%d}")
    return f"valid until {end:%Y-%m-%d}"


def certificate_end(path: Path) -> datetime | None:
    """Until when this certificate is valid; None when there is none that can be read."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None


def _devices(config: Config) -> str:
    for entry in config.serial:
        if not Path(entry.port).exists():
            raise DoctorError("serial-port-missing", entry.port)
    return f"{len(config.bluetooth)} by Bluetooth, {len(config.serial)} on a cable"


def _check_welcome(secured: ssl.SSLSocket) -> None:
    """With TLS 1.3 a refused client certificate shows only after the handshake; a good one gets silence."""
    secured.settimeout(REFUSED_WITHIN_S)
    try:
        refused = not secured.recv(1)
    except TimeoutError:
        refused = False
    except ConnectionError:
        refused = True
    if refused:
        raise DoctorError("bridge-tls", "hung up")


def _identity(config: Config) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(config.ca))
        context.load_cert_chain(config.certificate, config.data / "tls.key")
    except (OSError, ValueError) as error:
        raise DoctorError("uplink-identity-unreadable", type(error).__name__) from error
    return context


def _bridge(config: Config) -> str:
    context = _identity(config)
    try:
        with (
            socket.create_connection((config.host, config.port), REACH_WITHIN_S) as plain,
            context.wrap_socket(plain, server_hostname=config.host) as secured,
        ):
            _check_welcome(secured)
            return f"reached, {secured.version()}"
    except ssl.SSLError as error:
        raise DoctorError("bridge-tls", error.reason or "") from error
    except OSError as error:
        raise DoctorError("bridge-unreachable", type(error).__name__) from error
