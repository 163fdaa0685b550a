"""What the embedded broker (NATS) runs on: its configuration, its certificate and the keys of its users.

Hubs and bridges come in over MQTT with a certificate each, and `callout` decides about every one of them.
The three users of the broker's own port belong to that callout service and hold no password: each proves
an Ed25519 key (nkey) whose seed is made here and readable by the owner only. The configuration holds
public keys only. Why NATS and why like this: docs/decisions/0003-broker.md.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import nkeys

from cloud_bridge.authority import Authority, identity, install, make_request, needs_renewal, speaks_for
from gateway.wire.errors import MeethubError

# A whole upward message is 48 KiB at most (docs/wire-format.md); the rest is room for topics and headers.
MAX_PAYLOAD_BYTES = 64 * 1024
# How many messages the broker hands the bridge before the first is acknowledged: the intake's back-pressure.
MAX_UNACKNOWLEDGED = 64
# Commits take milliseconds. What was handed out to a bridge before a break comes again only when this time is
# over (measured on NATS 2.15), so it must not be long; a copy that comes too early is seen as such.
ACKNOWLEDGE_WAIT_S = 5
MAX_STORE_BYTES = 1024**3

LOOPBACK = "127.0.0.1"
ISSUER, AUTH, SYS, KEEPER = "issuer", "auth", "sys", "keeper"
SEEDS = (ISSUER, AUTH, SYS, KEEPER)


class BrokerError(MeethubError):
    """The broker's directory cannot be used; code broker-directory."""


@dataclass(frozen=True)
class Ports:
    """TCP ports: `mqtt` on `host` (TLS) for hubs and bridges, `service` on loopback for the callout.

    acknowledge_wait_s: a bridge that has not acknowledged a message by then gets it again.
    """

    mqtt: int
    service: int
    host: str = "127.0.0.1"
    acknowledge_wait_s: int = ACKNOWLEDGE_WAIT_S


def prepare(directory: Path, ports: Ports, authority: Authority, hosts: tuple[str, ...]) -> None:
    """Make or bring up to date all that the broker needs; what exists and is still good is kept.

    hosts: the names and IPv4 addresses by which hubs reach the broker; they stand in its certificate.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in SEEDS:
            _make_seed(directory / f"{name}.seed")
        place = identity(directory, "server")
        if needs_renewal(place.certificate) or not speaks_for(place.certificate, hosts):
            request = make_request(place.key, hosts[0])
            install(place, authority.issue_server(request, hosts).pem, authority.pem)
        _write(directory / "nats.conf", configuration(directory, ports))
        _write(directory / "ports.json", json.dumps({"service": f"nats://{LOOPBACK}:{ports.service}"}))
    except OSError as error:
        raise BrokerError("broker-directory", type(error).__name__) from error


def seed(directory: Path, name: str) -> str:
    """The seed of one of SEEDS; BrokerError when `prepare` did not run here."""
    try:
        return (directory / f"{name}.seed").read_text().strip()
    except OSError as error:
        raise BrokerError("broker-directory", type(error).__name__) from error


def key_pair(secret: str) -> nkeys.KeyPair:
    """The nkey of a seed."""
    pair: nkeys.KeyPair = nkeys.from_seed(secret.encode())  # type: ignore[no-untyped-call] # it has no types
    return pair


def public_key(pair: nkeys.KeyPair) -> str:
    """The public half as the broker writes it."""
    return str(pair.public_key.decode()).rstrip("=")


def service_url(directory: Path) -> str:
    """Where the callout service reaches the broker; BrokerError when `prepare` did not run here."""
    try:
        return str(json.loads((directory / "ports.json").read_text())["service"])
    except (OSError, ValueError, KeyError) as error:
        raise BrokerError("broker-directory", type(error).__name__) from error


def configuration(directory: Path, ports: Ports) -> str:
    """The server's configuration file: public keys, ports and limits, no secret."""
    public = {name: _public(seed(directory, name)) for name in SEEDS}
    place = identity(directory, "server")
    return f"""\
server_name: meethub
listen: {_quoted(f"{LOOPBACK}:{ports.service}")}
max_payload: {MAX_PAYLOAD_BYTES}

# Acknowledged means on disk: without this the server syncs every two minutes.
jetstream {{
  store_dir: {_quoted(str(directory / "store"))}
  sync_interval: always
  max_file_store: {MAX_STORE_BYTES}
}}

mqtt {{
  listen: {_quoted(f"{ports.host}:{ports.mqtt}")}
  max_ack_pending: {MAX_UNACKNOWLEDGED}
  ack_wait: "{ports.acknowledge_wait_s}s"
  tls {{
    cert_file: {_quoted(str(place.certificate))}
    key_file: {_quoted(str(place.key))}
    ca_file: {_quoted(str(place.ca))}
    verify: true
  }}
}}

accounts {{
  HUBS {{
    jetstream: enabled
    # Bounds how long messages wait for a bridge, and can do nothing else.
    users: [ {{ nkey: {public[KEEPER]}, permissions: {{
      publish: ["$JS.API.STREAM.INFO.$MQTT_msgs", "$JS.API.STREAM.UPDATE.$MQTT_msgs"]
      subscribe: ["_INBOX.>"]
    }} }} ]
  }}
  AUTH {{
    users: [ {{ nkey: {public[AUTH]}, permissions: {{
      publish: ["$SYS._INBOX.>"]
      subscribe: ["$SYS.REQ.USER.AUTH"]
    }} }} ]
  }}
  SYS {{
    users: [ {{ nkey: {public[SYS]}, permissions: {{
      publish: ["$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.*.KICK"]
      subscribe: ["_INBOX.>"]
    }} }} ]
  }}
}}
system_account: SYS

authorization {{
  timeout: 2
  auth_callout {{
    issuer: {public[ISSUER]}
    account: AUTH
    auth_users: [ {public[AUTH]}, {public[SYS]}, {public[KEEPER]} ]
  }}
}}
"""


def _make_seed(file: Path) -> None:
    if not file.exists():
        prefix = nkeys.PREFIX_BYTE_ACCOUNT if file.stem == ISSUER else nkeys.PREFIX_BYTE_USER
        fresh = nkeys.encode_seed(os.urandom(32), prefix)  # type: ignore[no-untyped-call] # as above
        _write(file, fresh.decode())


def _public(secret: str) -> str:
    return public_key(key_pair(secret))


def _quoted(text: str) -> str:
    return json.dumps(text)


def _write(file: Path, content: str) -> None:
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(file)
