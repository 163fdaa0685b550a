"""What the broker asks about a connection, what it is answered, and the rules in between; no I/O in here.

Questions and answers are JWTs signed with Ed25519 nkeys, as NATS architecture decision ADR-26 (auth callout)
lays them down.
"""

import base64
import hashlib
import json
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from cloud_bridge.broker import key_pair, public_key
from cloud_bridge.registry import BRIDGE, Admission
from gateway.wire.errors import MeethubError

ACCOUNT = "HUBS"
MANY_LOGINS, LOGINS_WITHIN_S = 3, 60
MAX_SUBSCRIPTIONS = 32


class CalloutError(MeethubError):
    """A connection that is not let in; its code says why.

    Codes: broker-question-malformed, not-over-mqtt, certificate-missing, certificate-not-admitted,
    client-id-not-own.
    """


@dataclass(frozen=True)
class Question:
    """What the broker asks: who connected (its one-time nkey), how, with which certificate and client id."""

    user: str
    server: str
    transport: str
    client_id: str
    address: str
    certificate: bytes | None

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate that the broker verified; CalloutError when there is none."""
        if self.certificate is None:
            raise CalloutError("certificate-missing")
        return hashlib.sha256(self.certificate).digest()


def read_question(raw: bytes) -> Question:
    """A question of the broker; CalloutError("broker-question-malformed") for anything else."""
    try:
        asked = _claims(raw)["nats"]
        chains = asked.get("client_tls", {}).get("verified_chains") or [[None]]
        leaf = chains[0][0]
        return Question(
            str(asked["user_nkey"]),
            str(asked["server_id"]["id"]),
            str(asked["client_info"].get("type", "")),
            str(asked["client_info"].get("mqtt_id", "")),
            str(asked["client_info"].get("host", "")),
            None if leaf is None else ssl.PEM_cert_to_DER_cert(leaf),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise CalloutError("broker-question-malformed", type(error).__name__) from None


def check(question: Question, admission: Admission | None) -> Admission:
    """The admission under which this connection may come in; CalloutError with the reason when it may not."""
    if question.transport != "mqtt":
        raise CalloutError("not-over-mqtt")
    if admission is None:
        raise CalloutError("certificate-not-admitted")
    own = question.client_id == admission.subject
    # Several bridges share one certificate name and are told apart by what follows it.
    worker = admission.role == BRIDGE and question.client_id.startswith(admission.subject + "-")
    if not own and not worker:
        raise CalloutError("client-id-not-own", admission.subject)
    return admission


def permissions(admission: Admission) -> dict[str, Any]:
    """The subjects this client may use, and no other. MQTT's `#` also means the level above: two subjects."""
    if admission.role == BRIDGE:
        speak, hear = ["hub.*.down.state"], ["hub.*.up", "hub.*.up.>"]
    else:
        own = f"hub.{admission.subject}"
        speak, hear = [f"{own}.up.>"], [f"{own}.down", f"{own}.down.>"]
    return {"pub": {"allow": speak}, "sub": {"allow": hear}}


class Answers:
    """Writes answers that the broker believes: JWTs signed with the issuer's key."""

    def __init__(self, issuer_seed: str) -> None:
        self._key = key_pair(issuer_seed)
        self._issuer = public_key(self._key)

    def admit(self, question: Question, admission: Admission) -> bytes:
        """Let in; the broker itself ends the session when the certificate expires."""
        limits = {"subs": MAX_SUBSCRIPTIONS, "data": -1, "payload": -1}
        user = {
            "sub": question.user,
            "aud": ACCOUNT,
            "name": admission.subject,
            "exp": admission.not_after_ms // 1000,
            "nats": {"type": "user", "version": 2, **permissions(admission), **limits},
        }
        return self._answer(question, {"jwt": self._signed(user)})

    def refuse(self, question: Question, code: str) -> bytes:
        return self._answer(question, {"error": code})

    def _answer(self, question: Question, content: dict[str, str]) -> bytes:
        nats_part = {"type": "authorization_response", "version": 2, **content}
        return self._signed({"sub": question.user, "aud": question.server, "nats": nats_part}).encode()

    def _signed(self, claims: dict[str, Any]) -> str:
        whole = {**claims, "iss": self._issuer, "iat": int(time.time())}
        whole["jti"] = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
        header = {"typ": "JWT", "alg": "ed25519-nkey"}
        body = f"{_base64(json.dumps(header).encode())}.{_base64(json.dumps(whole).encode())}"
        signature: bytes = self._key.sign(body.encode())  # type: ignore[no-untyped-call] # nkeys has no types
        return f"{body}.{_base64(signature)}"


class Logins:
    """Notices a certificate that logs in so often that two machines probably fight for it (a clone)."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}

    def suspicious(self, subject: str, now_s: float) -> bool:
        """Note one login; True when there were more than MANY_LOGINS within LOGINS_WITHIN_S."""
        seen = self._seen.setdefault(subject, deque(maxlen=MANY_LOGINS + 1))
        seen.append(now_s)
        return len(seen) > MANY_LOGINS and seen[-1] - seen[0] < LOGINS_WITHIN_S


def _claims(token: bytes) -> dict[str, Any]:
    middle = token.decode("ascii").split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    if not isinstance(found, dict):
        raise TypeError
    return found


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
