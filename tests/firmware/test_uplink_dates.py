"""The dates of certificates, cut from DER, compared with what cryptography reads; and from junk."""

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.certificate_dates import CertificateError, dates, set_calendar

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(begins: datetime, ends: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "é" * 30)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    builder = (
        builder.serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
    )
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        ("1950-01-01T00:00:00", "2049-12-31T23:59:59"),
        ("2026-02-28T23:59:59", "2028-02-29T12:34:56"),
        ("2049-12-31T23:59:59", "2050-01-01T00:00:00"),
        ("2050-01-01T00:00:00", "9999-12-31T23:59:59"),
    ],
)
def test_dates_of_either_form(begins, ends) -> None:
    """Until 2049 the year has two digits, from 2050 on four (RFC 5280, 4.1.2.5)."""
    whole = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (begins, ends)]
    expected = tuple(int(moment.timestamp()) for moment in whole)
    assert dates(certificate(*whole)) == expected
    assert dates(memoryview(certificate(*whole))) == expected


GOOD = certificate(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=365))


@settings(max_examples=300 * DOSE, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 400)
)
def test_a_damaged_one_gives_dates_or_its_own_error(changes, cut) -> None:
    raw = bytearray(GOOD)
    for place, value in changes:
        raw[place] = value
    for data in (bytes(raw), bytes(raw[:cut])):
        with suppress(CertificateError):
            begins, ends = dates(data)
            assert isinstance(begins, int)
            assert isinstance(ends, int)


@settings(max_examples=300 * DOSE, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data) -> None:
    for raw in (data, b"\x30\x7f\x30\x7e" + data, b"\x30\x84\xff\xff\xff\xff" + data):
        with suppress(CertificateError):
            dates(raw)


def test_the_calendar_of_a_computer_is_not_ours_to_set() -> None:
    assert not set_calendar(0)
