"""The authority: what it issues is accepted by strict TLS, and it issues nothing it was not asked for properly."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from cloud_bridge.authority import (
    Authority,
    AuthorityError,
    Identity,
    identity,
    install,
    installed,
    make_request,
    needs_renewal,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority")


def hub_files(authority: Authority, directory: Path, hub: str = "hub-1") -> Identity:
    place = identity(directory, "hub")
    install(place, authority.issue_hub(make_request(place.key, hub), hub).pem, authority.pem)
    return place


def server_files(authority: Authority, directory: Path) -> Identity:
    place = identity(directory, "server")
    names = ("localhost", "127.0.0.1")
    install(place, authority.issue_server(make_request(place.key, "localhost"), names).pem, authority.pem)
    return place


def handshake(server: Identity, client: Identity, host: str) -> dict[str, object]:
    """Both sides strictly, as Python 3.13 does by default; the client's certificate as the server sees it."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.verify_mode = ssl.CERT_REQUIRED
    for context, files in ((ours, client), (theirs, server)):
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.certificate, files.key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    left = ours.wrap_bio(down, up, server_hostname=host)
    right = theirs.wrap_bio(up, down, server_side=True)
    waiting = [left, right, left, right]
    for side in waiting:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return dict(right.getpeercert() or {})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_hub_and_server_shake_hands_under_the_strictest_rules(authority, tmp_path, host) -> None:
    seen = handshake(server_files(authority, tmp_path / "s"), hub_files(authority, tmp_path / "h"), host)
    assert seen["subject"] == ((("commonName", "hub-1"),),)
    assert seen["subjectAltName"] == (("URI", "urn:hub:hub-1"),)


def test_a_server_cannot_be_another_host(authority, tmp_path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(
            server_files(authority, tmp_path / "s"), hub_files(authority, tmp_path / "h"), "elsewhere.example"
        )


def test_a_hub_cannot_play_the_server(authority, tmp_path) -> None:
    hub = hub_files(authority, tmp_path / "h")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(hub, hub, "localhost")


def test_an_authority_of_the_same_name_is_not_ours(authority, tmp_path) -> None:
    rogue = hub_files(Authority.open(tmp_path / "rogue"), tmp_path / "h")
    rogue.ca.write_bytes(authority.pem)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server_files(authority, tmp_path / "s"), rogue, "localhost")


def test_a_hub_certificate_holds_exactly_what_it_needs(authority, tmp_path) -> None:
    issued = authority.issue_hub(make_request(tmp_path / "hub.key", "hub-1"), "hub-1", NOW)
    found = x509.load_pem_x509_certificate(issued.pem)
    assert issued.subject == "hub-1"
    assert issued.fingerprint == found.fingerprint(hashes.SHA256())
    assert issued.not_after_ms == int((NOW + timedelta(days=90)).timestamp() * 1000)
    of = found.extensions.get_extension_for_class
    assert list(of(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert of(x509.KeyUsage).critical
    assert of(x509.KeyUsage).value.digital_signature
    assert not of(x509.KeyUsage).value.key_cert_sign
    assert not of(x509.BasicConstraints).value.ca
    assert of(x509.SubjectKeyIdentifier)
    ca = x509.load_pem_x509_certificate(authority.pem)
    its_id = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert of(x509.AuthorityKeyIdentifier).value.key_identifier == its_id


def test_nothing_but_the_key_is_taken_from_a_request(authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub-2")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    issued = authority.issue_hub(greedy.public_bytes(serialization.Encoding.PEM), "hub-1")
    found = x509.load_pem_x509_certificate(issued.pem)
    assert issued.subject == "hub-1"
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)],
    ids=["p384", "rsa"],
)
def test_other_kinds_of_keys_are_refused(authority, key) -> None:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    with pytest.raises(AuthorityError, match="request-invalid"):
        authority.issue_hub(request.public_bytes(serialization.Encoding.PEM), "hub-1")


def test_a_request_for_a_key_that_the_asker_does_not_hold_is_refused(authority, tmp_path) -> None:
    request = x509.load_pem_x509_csr(make_request(tmp_path / "hub.key", "hub-1"))
    der = bytearray(request.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    pem = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(AuthorityError, match="request-invalid"):
        authority.issue_hub(pem, "hub-1")


@pytest.mark.parametrize("hub", ["", "hub/1", "hub.1", "+", "#", "a" * 33, "hub 1", "hüb"])
def test_a_hub_id_that_could_be_a_topic_is_refused(authority, tmp_path, hub) -> None:
    with pytest.raises(AuthorityError, match="hub-id-invalid"):
        authority.issue_hub(make_request(tmp_path / "hub.key", "hub-1"), hub)


def test_any_bytes_are_a_request_or_refused(tmp_path) -> None:
    authority = Authority.open(tmp_path / "authority")
    good = make_request(tmp_path / "hub.key", "hub-1")

    @given(st.one_of(st.binary(max_size=300), st.integers(0, len(good) - 1)))
    def judged(raw: bytes | int) -> None:
        request = raw if isinstance(raw, bytes) else good[:raw] + b"A" + good[raw + 1 :]
        codes = {"request-invalid"}
        try:
            authority.issue_hub(request, "hub-1")
        except AuthorityError as error:
            codes.add(error.code)
        assert codes == {"request-invalid"}

    judged()


def test_keys_are_for_their_owner_only_and_everything_is_kept(tmp_path) -> None:
    first = Authority.open(tmp_path / "authority")
    hub_files(first, tmp_path / "h")
    assert Authority.open(tmp_path / "authority").pem == first.pem
    modes = {f.name: f.stat().st_mode & 0o777 for f in tmp_path.rglob("*.key")}
    assert modes == {"ca.key": 0o600, "hub.key": 0o600}
    assert (tmp_path / "authority").stat().st_mode & 0o777 == 0o700
    before = (tmp_path / "h" / "hub.key").read_bytes()
    make_request(tmp_path / "h" / "hub.key", "hub-1")
    assert (tmp_path / "h" / "hub.key").read_bytes() == before


def test_a_start_after_a_power_cut_goes_on(tmp_path) -> None:
    """Key written, certificate not; and half a file under a name that does not count yet."""
    first = Authority.open(tmp_path / "authority")
    (tmp_path / "authority" / "ca.pem").unlink()
    (tmp_path / "authority" / "ca.pem.new").write_bytes(b"-----BEGIN CERT")
    again = Authority.open(tmp_path / "authority")
    keys = [x509.load_pem_x509_certificate(a.pem).public_key() for a in (first, again)]
    assert keys[0] == keys[1]


def test_damaged_files_are_told_apart_from_missing_ones(tmp_path) -> None:
    Authority.open(tmp_path)
    (tmp_path / "ca.pem").write_bytes(b"\0" * 100)
    with pytest.raises(AuthorityError, match="certificate-unreadable"):
        Authority.open(tmp_path)


@pytest.mark.parametrize(("days", "due"), [(0, False), (59, False), (61, True), (91, True)])
def test_renewal_comes_after_two_thirds(authority, tmp_path, days, due) -> None:
    place = identity(tmp_path, "hub")
    install(place, authority.issue_hub(make_request(place.key, "hub-1"), "hub-1", NOW).pem, authority.pem)
    assert needs_renewal(place.certificate, NOW + timedelta(days=days)) is due
    assert installed(place.certificate).subject == "hub-1"


def test_a_missing_or_damaged_certificate_needs_renewal(tmp_path) -> None:
    assert needs_renewal(tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_text("nothing")
    assert needs_renewal(tmp_path / "bad.pem")
