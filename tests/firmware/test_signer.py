"""The firmware's keys as the cloud bridge sees them: enrolled and connected as a gateway's are."""

import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cloud_bridge.authority import Authority, AuthorityError, identity, make_request
from gateway import signer as gateway_signer
from gateway.hub.errors import SignerError


@pytest.fixture
def enrolled(on_board, tmp_path):
    """(authority, folder of the hub's keys, its request)."""
    said = on_board("tests/firmware/board/run_signer.py", str(tmp_path / "keys"), "hub-0001")
    first, request = said.split("\n", 1)
    public_key, proof = (bytes.fromhex(part) for part in first.split())
    assert gateway_signer.verify(public_key, proof, b"proof")
    return Authority.open(tmp_path / "authority"), tmp_path / "keys", request.encode()


def test_the_bridge_takes_the_hubs_request(enrolled):
    authority, _, request = enrolled
    issued = authority.issue_hub(request, "hub-0001")
    assert issued.subject == "hub-0001"
    assert (
        x509.load_pem_x509_certificate(issued.pem).public_key()
        == x509.load_pem_x509_csr(request).public_key()
    )


def test_the_request_has_the_form_of_a_gateways(enrolled, tmp_path):
    ours = x509.load_pem_x509_csr(enrolled[2])
    theirs = x509.load_pem_x509_csr(gateway_signer.certificate_request(tmp_path / "gateway", "hub-0001"))
    assert ours.subject == theirs.subject
    assert ours.signature_algorithm_oid == theirs.signature_algorithm_oid
    assert len(ours.tbs_certrequest_bytes) == len(theirs.tbs_certrequest_bytes)


def test_a_request_that_was_changed_on_its_way_is_refused(enrolled):
    authority, _, request = enrolled
    der = x509.load_pem_x509_csr(request).public_bytes(Encoding.DER).replace(b"hub-0001", b"hub-0002")
    with pytest.raises(AuthorityError) as refused:
        authority.issue_hub(x509.load_der_x509_csr(der).public_bytes(Encoding.PEM), "hub-0002")
    assert refused.value.code == "request-invalid"


def test_the_error_is_the_one_that_the_hubs_logic_knows():
    from firmware import signer

    assert signer.SignerError is SignerError


def served(authority, tmp_path):
    """(port, what it saw): a server that asks for a certificate of this authority and tells its name."""
    place = identity(tmp_path / "server", "server")
    issued = authority.issue_server(make_request(place.key, "localhost"), ["localhost"])
    place.certificate.write_bytes(issued.pem)
    place.ca.write_bytes(authority.pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=place.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(place.certificate, place.key)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(60)

    def serve():
        with listening, context.wrap_socket(listening.accept()[0], server_side=True) as link:
            link.read(100)
            link.write(dict(link.getpeercert()["subject"][0])["commonName"].encode())

    thread = threading.Thread(target=serve)
    thread.start()
    return listening.getsockname()[1], thread


def test_mbedtls_connects_with_the_key_and_the_certificate(enrolled, on_board, tmp_path):
    """The hub's own TLS takes the key file as it is."""
    authority, keys, request = enrolled
    files = {"hub": authority.issue_hub(request, "hub-0001").pem, "ca": authority.pem}
    for name, pem in files.items():
        (tmp_path / name).write_bytes(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))
    port, thread = served(authority, tmp_path)
    try:
        words = [str(port), str(tmp_path / "hub"), str(keys / "tls.key"), str(tmp_path / "ca")]
        assert on_board("tests/firmware/board/run_signer_tls.py", "127.0.0.1", *words) == "hub-0001\n"
    finally:
        thread.join(60)
