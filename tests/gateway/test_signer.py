"""The hub's keys: made once, kept to themselves, renewed beside the old one."""

import hashlib
import stat
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from gateway.signer import Signer, SignerError, certificate_request, tls_key, verify
from tests.gateway.outbox_fixtures import ROOT

# RFC 8032, section 7.1, tests 1 to 3: secret key, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_key_is_made_once_and_is_for_this_user_alone(tmp_path):
    folder = tmp_path / "keys"
    first = Signer.open(folder)
    assert Signer.open(folder).public_key == first.public_key
    assert (mode(folder), mode(folder / "signing.key")) == (0o700, 0o600)
    assert [path.name for path in folder.iterdir()] == ["signing.key"]
    assert first.kid == hashlib.sha256(first.public_key).digest()[:8]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
def test_signatures_are_those_of_rfc_8032(tmp_path, secret, public, message, signature):
    (tmp_path / "signing.key").write_bytes(bytes.fromhex(secret))
    signer = Signer.open(tmp_path)
    assert signer.public_key.hex() == public
    assert signer.sign(bytes.fromhex(message)).hex() == signature
    assert verify(signer.public_key, bytes.fromhex(signature), bytes.fromhex(message))


def test_another_message_key_or_signature_is_refused(tmp_path):
    signer, other = Signer.open(tmp_path / "one"), Signer.open(tmp_path / "two")
    signature = signer.sign(b"message")
    assert not verify(signer.public_key, signature, b"massage")
    assert not verify(other.public_key, signature, b"message")
    assert not verify(signer.public_key, bytes([signature[0] ^ 1]) + signature[1:], b"message")


@given(st.binary(max_size=40), st.binary(max_size=70), st.binary(max_size=20))
def test_verify_says_no_to_anything_else_and_never_raises(key, signature, data):
    assert verify(key, signature, data) is False


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_damaged_key_is_an_error_and_stays_what_it_is(tmp_path, content):
    (tmp_path / "signing.key").write_bytes(content)
    with pytest.raises(SignerError) as caught:
        Signer.open(tmp_path)
    assert caught.value.code == "key-unreadable"
    assert (tmp_path / "signing.key").read_bytes() == content


def test_a_renewed_key_is_the_hubs_own_and_the_old_one_is_kept_until_retired(tmp_path):
    old = Signer.open(tmp_path)
    new = Signer.renew(tmp_path)
    assert new.public_key != old.public_key
    assert Signer.open(tmp_path).public_key == new.public_key
    (former,) = Signer.former(tmp_path)
    assert verify(old.public_key, former.sign(b"queued"), b"queued")
    assert all(mode(path) == 0o600 for path in tmp_path.iterdir())
    Signer.retire(tmp_path, old.kid)
    assert Signer.former(tmp_path) == []
    Signer.retire(tmp_path, old.kid)


def test_a_renewal_that_was_cut_off_can_be_done_again(tmp_path):
    old = Signer.open(tmp_path)
    (tmp_path / f"signing-{old.kid.hex()}.key").hardlink_to(tmp_path / "signing.key")
    (tmp_path / ".signing.key.new").write_bytes(b"half")
    assert Signer.open(tmp_path).kid == old.kid
    new = Signer.renew(tmp_path)
    assert [former.kid for former in Signer.former(tmp_path)] == [old.kid]
    assert Signer.open(tmp_path).kid == new.kid


def test_a_damaged_key_can_be_renewed(tmp_path):
    (tmp_path / "signing.key").write_bytes(b"damaged")
    new = Signer.renew(tmp_path)
    assert Signer.open(tmp_path).kid == new.kid
    assert Signer.former(tmp_path) == []


def test_a_directory_that_cannot_be_made_is_our_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for make in (Signer.open, Signer.renew, tls_key):
        with pytest.raises(SignerError) as caught:
            make(tmp_path / "file" / "keys")
        assert caught.value.code == "key-not-written"


def test_the_tls_key_is_p256_made_here_once(tmp_path):
    path = tls_key(tmp_path)
    before = path.read_bytes()
    key = load_pem_private_key(before, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert mode(path) == 0o600
    assert tls_key(tmp_path).read_bytes() == before


def test_the_request_names_the_hub_and_proves_the_key(tmp_path):
    request = x509.load_pem_x509_csr(certificate_request(tmp_path, "hub-0001"))
    assert request.subject.rfc4514_string() == "CN=hub-0001"
    assert request.is_signature_valid
    key = load_pem_private_key(tls_key(tmp_path).read_bytes(), None)
    assert request.public_key() == key.public_key()


@pytest.mark.parametrize("hub", ["", "hub/#", "hub.1", "h" * 33, "hub\n"])
def test_only_a_hub_id_can_be_asked_for(tmp_path, hub):
    with pytest.raises(SignerError) as caught:
        certificate_request(tmp_path, hub)
    assert caught.value.code == "hub-id"


def test_a_damaged_tls_key_is_an_error(tmp_path):
    tls_key(tmp_path).write_bytes(b"-----BEGIN NOTHING-----")
    with pytest.raises(SignerError) as caught:
        certificate_request(tmp_path, "hub-1")
    assert caught.value.code == "key-unreadable"


def test_a_new_key_is_on_the_disk_before_it_is_used(tmp_path, sync_library):
    """File and directory are synced, in this order, before `open` returns."""
    log = tmp_path / "log"
    folder = tmp_path / "outbox-keys"  # the library watches names with "outbox"
    code = f"from pathlib import Path; from gateway.signer import Signer; Signer.open(Path({str(folder)!r}))"
    environment = {"LD_PRELOAD": str(sync_library), "SYNC_LOG": str(log), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert log.read_text().splitlines() == ["S outbox-keys"]
