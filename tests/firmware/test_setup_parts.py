"""What strangers send to a hub that is being set up, in any form: a result or that boundary's own error."""

import os
import struct
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.setup import dns, http, improv, page
from firmware.setup.credentials import WifiError, check
from firmware.setup.http import PortalError, Request

DOSE = settings(max_examples=300 * int(os.environ.get("MEETHUB_DOSE", "1")), deadline=None)


def refused(errors, act, *given):
    """What came of it; None after one of these errors: (class, code or number)."""
    try:
        return act(*given)
    except (PortalError, improv.ImprovError) as error:
        if (type(error), getattr(error, "number", error.code)) not in errors:
            raise
        return None


BAD = [(PortalError, "portal-request")]
TOO_LARGE = [(PortalError, "portal-too-large")]
INVALID = [(improv.ImprovError, improv.INVALID)]
BAD_HOSTNAME = [(improv.ImprovError, improv.BAD_HOSTNAME)]
LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b"Host: 192.168.4.1",
                b"Content-Length: 12",
                b"Accept-Language: nl,en;q=0.5",
                b"Transfer-Encoding: x",
            ]
        ),
    ),
    max_size=6,
)
FIRST = st.one_of(st.binary(max_size=60), st.sampled_from([b"GET / HTTP/1.1", b"POST /?lang=en HTTP/1.0"]))


@DOSE
@given(FIRST, LINES)
def test_any_head(first, lines):
    request = refused(BAD, Request, b"\r\n".join([first, *lines]))
    if request is not None:
        assert http.language(request) in (0, 1)
        assert 0 <= (refused(BAD + TOO_LARGE, request.body_size) or 0) <= http.MOST_BODY


@DOSE
@given(st.binary(max_size=200))
def test_any_form(data):
    fields = refused(BAD, http.form, data)
    if fields is not None:
        assert len(fields) <= 8
        told = parse_qsl(data.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
        plain = {name.encode("latin-1"): value.encode("latin-1") for name, value in told}
        assert {name: value for name, value in plain.items() if name in fields}.items() <= fields.items()


@given(st.dictionaries(st.sampled_from(["a", "network", "other", "password"]), st.text(max_size=20)))
def test_a_form_as_browsers_send_it(fields):
    sent = "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items())
    assert http.form(sent.encode()) == {name.encode(): value.encode() for name, value in fields.items()}


@DOSE
@given(st.binary(max_size=600))
def test_any_datagram(data):
    said = dns.answer(data, b"\xc0\xa8\x04\x01")
    assert said is None or (said[:2] == data[:2] and len(said) <= 528)


@DOSE
@given(
    st.integers(0, 65535),
    st.lists(st.binary(min_size=1, max_size=63), max_size=3),
    st.integers(0, 65535),
    st.binary(max_size=12),
)
def test_any_question(ident, labels, kind, more):
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    asked = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 1) + name + struct.pack(">HH", kind, 1)
    said = dns.answer(asked + more, b"\xc0\xa8\x04\x01")
    assert said[:2] == asked[:2]
    assert said[7] == (kind in (1, 255))
    assert said[12 : len(asked)] == asked[12:]
    assert said.endswith(b"\xc0\xa8\x04\x01") or not said[7]


@DOSE
@given(st.binary(max_size=255))
def test_any_credentials(data):
    found = refused(INVALID, improv.credentials, data)
    if found is not None:
        assert b"".join(bytes([len(part)]) + part for part in found) == data


@given(st.binary(max_size=32), st.binary(max_size=64))
def test_credentials_come_back(ssid, password):
    assert improv.credentials(bytes([len(ssid)]) + ssid + bytes([len(password)]) + password) == (
        ssid,
        password,
    )


@DOSE
@given(st.binary(max_size=70), st.binary(max_size=70))
def test_what_no_network_can_have(ssid, password):
    good = 1 <= len(ssid) <= 32 and (not password or 8 <= len(password) <= 64)
    if good:
        check(ssid, password)
    else:
        with pytest.raises(WifiError, match="wifi-input"):
            check(ssid, password)


@DOSE
@given(st.binary(max_size=40))
def test_any_name(data):
    assert refused(BAD_HOSTNAME, improv.checked_hostname, data) in (None, data)
    assert refused(INVALID, improv.checked_name, data) in (None, data)
    if data:
        assert improv.unprefixed(bytes([len(data)]) + data) == data


NETWORK = st.tuples(st.binary(min_size=1, max_size=32), st.integers(-127, 0), st.integers(0, 40))


@DOSE
@given(st.lists(NETWORK, max_size=40), st.integers(20, 300))
def test_networks_fit_in_one_result(heard, fits):
    strings = improv.described(heard, fits)
    packet = improv.packed(improv.SCAN, strings)
    assert len(packet) <= min(fits, 255) + 2
    assert strings[::3] == [ssid for ssid, _, _ in heard[: len(strings) // 3]]
    assert len(packet) == packet[1] + 2


@DOSE
@given(st.binary(max_size=32))
def test_any_name_of_a_network_is_harmless_text(ssid):
    shown = page.shown(ssid)
    assert not set(shown) & set("<>\"'")
    assert all(ord(sign) >= 32 and not 0x200B <= ord(sign) < 0x2070 for sign in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("accepts", "language"),
    [
        (b"nl", 0),
        (b"en", 1),
        (b"EN-us", 1),
        (b"en;q=1.0, nl;q=0.999", 1),
        (b"en;q=0.1,nl;q=0.05", 1),
        (b"xx", 0),
    ],
)
def test_languages(accepts, language):
    assert http.language(Request(b"GET / HTTP/1.1\r\nAccept-Language: " + accepts)) == language
