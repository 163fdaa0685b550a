"""The bridge's own certificate authority: says which hub, which broker and which bridge a TLS key belongs to.

A hub makes its key itself and sends a request; the authority copies nothing from it but the public key.
The key of the authority stays in its directory (0600) and is needed only to issue, never to run the broker.
Sources: RFC 5280 (sections 4.2.1.1-4.2.1.12), CA/Browser Forum baseline for extension criticality; what
Python 3.13's strict verification demands is a subset of that.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.wire.errors import MeethubError
from gateway.wire.topics import is_hub_id

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=365)
CLIENT_LIFE = timedelta(days=90)
# Clocks of hubs run behind: what was issued a minute ago must not look as if it came from the future.
BACKDATED = timedelta(hours=1)
RENEWED_AFTER = 2 / 3


class AuthorityError(MeethubError):
    """A certificate can not be made or read.

    Codes: request-invalid, hub-id-invalid, certificate-unreadable.
    """


@dataclass(frozen=True)
class Identity:
    """The three files with which a program proves who it is: its certificate, its key, whom it trusts."""

    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True)
class Issued:
    """A certificate as the registry knows it. fingerprint: SHA-256 of its DER form."""

    pem: bytes
    fingerprint: bytes
    subject: str
    not_after_ms: int


@dataclass(frozen=True)
class _Purpose:
    usage: x509.ObjectIdentifier
    life: timedelta


_CLIENT = _Purpose(ExtendedKeyUsageOID.CLIENT_AUTH, CLIENT_LIFE)
_SERVER = _Purpose(ExtendedKeyUsageOID.SERVER_AUTH, SERVER_LIFE)


class Authority:
    """Issues certificates that all lead back to one key, kept in one directory."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def open(cls, directory: Path, now: datetime | None = None) -> "Authority":
        """The authority of this directory; made on first use. AuthorityError when its files are damaged."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key_file, certificate_file = directory / "ca.key", directory / "ca.pem"
        if not certificate_file.exists():
            key = _private_key(key_file)
            _write(certificate_file, _pem(_self_signed(key, now or datetime.now(UTC))), 0o644)
        return cls(_read_certificate(certificate_file), _private_key(key_file))

    @property
    def pem(self) -> bytes:
        """The authority's own certificate: what hubs and broker pin."""
        return _pem(self._certificate)

    def issue_hub(self, request: bytes, hub: str, now: datetime | None = None) -> Issued:
        """A client certificate for hub `hub` from its request (PKCS#10, PEM); AuthorityError otherwise."""
        if not is_hub_id(hub):
            raise AuthorityError("hub-id-invalid")
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"urn:hub:{hub}")]
        return self._issue(_requested_key(request), hub, names, _CLIENT, now)

    def issue_bridge(self, request: bytes, name: str = "bridge", now: datetime | None = None) -> Issued:
        """A client certificate for a bridge; its MQTT client id must be this name or begin with it."""
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"urn:bridge:{name}")]
        return self._issue(_requested_key(request), name, names, _CLIENT, now)

    def issue_server(self, request: bytes, hosts: Sequence[str], now: datetime | None = None) -> Issued:
        """A server certificate for these host names and IPv4 addresses, the first of them the subject."""
        names = [_general_name(host) for host in hosts]
        return self._issue(_requested_key(request), hosts[0], names, _SERVER, now)

    def _issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        subject: str,
        names: list[x509.GeneralName],
        purpose: "_Purpose",
        now: datetime | None,
    ) -> Issued:
        start = now or datetime.now(UTC)
        certificate = (
            _builder(
                subject, public_key, start, min(start + purpose.life, self._certificate.not_valid_after_utc)
            )
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose.usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return issued(certificate)


def make_request(key_file: Path, name: str) -> bytes:
    """A certificate request (PKCS#10, PEM) for the TLS key in this file; the key is made on first use.

    This is the hub's half: it runs where the key lives, and the key never leaves that machine.
    """
    key = _private_key(key_file)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def identity(directory: Path, name: str) -> Identity:
    """Where `install` puts (and a program finds) the files of the certificate called `name`."""
    return Identity(directory / f"{name}.pem", directory / f"{name}.key", directory / "ca.pem")


def install(place: Identity, certificate: bytes, authority: bytes) -> None:
    """Write a certificate and whom to trust beside its key, each whole or not at all."""
    _write(place.ca, authority, 0o644)
    _write(place.certificate, certificate, 0o644)


def needs_renewal(certificate: Path, now: datetime | None = None) -> bool:
    """Whether this certificate is missing, unreadable, expired or past two thirds of its life."""
    try:
        found = _read_certificate(certificate)
    except AuthorityError:
        return True
    start, end = found.not_valid_before_utc, found.not_valid_after_utc
    return (now or datetime.now(UTC)) >= start + (end - start) * RENEWED_AFTER


def speaks_for(certificate: Path, hosts: Sequence[str]) -> bool:
    """Whether this server certificate names all these hosts; False when it cannot be read."""
    try:
        found = _read_certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (AuthorityError, x509.ExtensionNotFound):
        return False
    return {_general_name(host) for host in hosts} <= set(found.value)


def installed(certificate: Path) -> Issued:
    """The certificate in this file as the registry knows it; AuthorityError("certificate-unreadable")."""
    return issued(_read_certificate(certificate))


def issued(certificate: x509.Certificate) -> Issued:
    """What the registry keeps of a certificate; AuthorityError when it has not exactly one common name."""
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(common) != 1:
        raise AuthorityError("certificate-unreadable", "exactly one common name")
    return Issued(
        _pem(certificate),
        certificate.fingerprint(hashes.SHA256()),
        str(common[0].value),
        int(certificate.not_valid_after_utc.timestamp() * 1000),
    )


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    return (
        _builder("Meethub authority", key.public_key(), now, now + AUTHORITY_LIFE)
        .issuer_name(_name("Meethub authority"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: str, key: ec.EllipticCurvePublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _requested_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """The P-256 key of a request, whose own signature shows that the asker holds the private half."""
    try:
        found = x509.load_pem_x509_csr(request)
        key = found.public_key()
        genuine = found.is_signature_valid
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise AuthorityError("request-invalid", type(error).__name__) from None
    if not genuine or not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise AuthorityError("request-invalid", "signed by its own P-256 key")
    return key


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(IPv4Address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _private_key(file: Path) -> ec.EllipticCurvePrivateKey:
    """The P-256 key of this file; made, readable by its owner only, when there is none."""
    if not file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write(
            file,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            0o600,
        )
    try:
        found = serialization.load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError, OSError, UnsupportedAlgorithm) as error:
        raise AuthorityError("certificate-unreadable", f"key file: {type(error).__name__}") from None
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise AuthorityError("certificate-unreadable", "not a P-256 key")
    return found


def _read_certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (ValueError, OSError) as error:
        raise AuthorityError("certificate-unreadable", type(error).__name__) from None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(file: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, also when the power fails: new file, sync, rename, sync of the directory."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(file)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
