"""The rules at the door, without a broker."""

import base64
import hashlib
import json
import ssl
from dataclasses import replace

import nkeys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_bridge.admission import (
    Answers,
    CalloutError,
    Logins,
    Question,
    check,
    permissions,
    read_question,
)
from cloud_bridge.registry import BRIDGE, HUB, Admission

A_HUB = Admission("hub-1", HUB, 9_000_000)
A_BRIDGE = Admission("bridge", BRIDGE, 9_000_000)
ASKED = Question("UUSER", "NSERVER", "mqtt", "hub-1", "127.0.0.1", b"der")
SEED = nkeys.encode_seed(b"\1" * 32, nkeys.PREFIX_BYTE_ACCOUNT).decode()


def token(claims: object) -> bytes:
    return b"e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=") + b".c2ln"


def claims_of(answer: str) -> dict:
    middle = answer.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def question_claims() -> dict:
    return {
        "nats": {
            "user_nkey": "UUSER",
            "server_id": {"id": "NSERVER"},
            "client_info": {"type": "mqtt", "mqtt_id": "hub-1", "host": "127.0.0.1"},
            "client_tls": {"verified_chains": [[ssl.DER_cert_to_PEM_cert(b"der"), "another"]]},
        }
    }


def test_a_question_is_read() -> None:
    question = read_question(token(question_claims()))
    assert question == ASKED
    assert question.fingerprint == hashlib.sha256(b"der").digest()


def test_only_a_verified_certificate_counts() -> None:
    asked = question_claims()
    asked["nats"]["client_tls"] = {"certs": [ssl.DER_cert_to_PEM_cert(b"der")]}
    with pytest.raises(CalloutError, match="certificate-missing"):
        _ = read_question(token(asked)).fingerprint


LEAF = st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=4)
JSON = LEAF | st.lists(LEAF, max_size=2) | st.lists(st.lists(LEAF, max_size=2), max_size=2)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.dictionaries(st.sampled_from(["nats", "x"]), JSON).map(token),
        st.dictionaries(
            st.sampled_from(["user_nkey", "server_id", "client_info", "client_tls"]),
            JSON
            | st.dictionaries(st.sampled_from(["id", "type", "mqtt_id", "host", "verified_chains"]), JSON),
        ).map(lambda d: token({"nats": d})),
    )
)
def test_any_bytes_are_a_question_or_malformed(raw: bytes) -> None:
    codes = {"broker-question-malformed"}
    try:
        read_question(raw)
    except CalloutError as error:
        codes.add(error.code)
    assert codes == {"broker-question-malformed"}


@pytest.mark.parametrize(
    ("changes", "admission", "code"),
    [
        ({}, None, "certificate-not-admitted"),
        ({"transport": "nats"}, A_HUB, "not-over-mqtt"),
        ({"transport": "nats"}, A_BRIDGE, "not-over-mqtt"),
        ({"client_id": "hub-2"}, A_HUB, "client-id-not-own"),
        ({"client_id": "hub-1-2"}, A_HUB, "client-id-not-own"),
        ({"client_id": ""}, A_HUB, "client-id-not-own"),
        ({"client_id": "bridges"}, A_BRIDGE, "client-id-not-own"),
        ({"client_id": "hub-1"}, A_BRIDGE, "client-id-not-own"),
    ],
)
def test_who_stays_outside(changes, admission, code) -> None:
    with pytest.raises(CalloutError) as caught:
        check(replace(ASKED, **changes), admission)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("client", "admission"), [("hub-1", A_HUB), ("bridge", A_BRIDGE), ("bridge-2", A_BRIDGE)]
)
def test_who_comes_in(client, admission) -> None:
    assert check(replace(ASKED, client_id=client), admission) is admission


def test_a_hub_may_speak_and_hear_as_itself_only() -> None:
    assert permissions(A_HUB) == {
        "pub": {"allow": ["hub.hub-1.up.>"]},
        "sub": {"allow": ["hub.hub-1.down", "hub.hub-1.down.>"]},
    }


def test_a_bridge_hears_all_hubs_and_tells_states() -> None:
    allowed = permissions(A_BRIDGE)
    assert allowed["pub"] == {"allow": ["hub.*.down.state"]}
    assert set(allowed["sub"]["allow"]) == {"hub.*.up", "hub.*.up.>"}


def test_an_answer_is_signed_by_the_issuer_for_this_connection_until_the_certificate_ends() -> None:
    raw = Answers(SEED).admit(ASKED, A_HUB).decode()
    body, _, signature = raw.rpartition(".")
    nkeys.from_seed(SEED.encode()).verify(
        body.encode(), base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    )
    answer = claims_of(raw)
    assert (answer["sub"], answer["aud"]) == ("UUSER", "NSERVER")
    user = claims_of(answer["nats"]["jwt"])
    assert (user["sub"], user["aud"], user["exp"]) == ("UUSER", "HUBS", 9000)
    assert user["nats"]["pub"] == permissions(A_HUB)["pub"]


def test_a_refusal_admits_nobody() -> None:
    answer = claims_of(Answers(SEED).refuse(ASKED, "client-id-not-own").decode())
    assert answer["nats"]["error"] == "client-id-not-own"
    assert "jwt" not in answer["nats"]


def test_many_logins_in_a_minute_are_suspicious_and_a_bad_line_is_not() -> None:
    logins = Logins()
    assert [logins.suspicious("hub-1", float(s)) for s in (0, 1, 2, 3, 4)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert not logins.suspicious("hub-2", 5.0)
    slow = Logins()
    assert not any(slow.suspicious("hub-1", s * 30.0) for s in range(10))
